"""Prefect's view of summaries: check that a requeued run's texts are ours, validate what was summarised."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from configs.errors import ConfigError, Fault
from configs.stage_a import StageAConfig
from tasks.common.retry import RETRIED
from tasks.ledger.ledger import Ledger
from tasks.records.work import Identity
from tasks.runs.assemble import account
from tasks.runs.publish import RunInput, Validated
from tasks.runs.requeue import Carried
from tasks.runs.shards import Receipt
from tasks.summaries.score import read_answer_key, score
from tasks.work.plan import Plan, differences
from tasks.work.task import collect


def check_carried(identity: Identity, carried: Carried) -> None:
    """Raises ConfigError when a run is carried over whose texts came from something else."""
    if other := differences(identity, carried.manifest):
        what = f"that run had another {', another '.join(other)}"
        raise ConfigError([Fault("requeue", what, "give what it had, or run stage-a")])


@task(name="validate-run", cache_policy=NO_CACHE, **RETRIED)
def validate_run(config: StageAConfig, plan: Plan, ledger: Ledger, receipts: Sequence[Receipt]) -> Validated:
    """Read this run's shards back and account for every photo; with an answer key, score them.

    Raises Unaccounted, RecordError or StoreError.
    """
    log = get_run_logger()
    identity = plan.kind.identity
    collect(config, plan.kind, ledger.works, receipts)
    run = RunInput(
        mission=config.mission,
        no_mission=config.no_mission,
        identity=identity,
        config=config.publishing,
        ignore_markers=config.inputs.markers == "ignored",
    )
    log.info("%d photos are accounted for", account(ledger, identity))
    if config.answer_key is None:
        return Validated(run)
    result = score(ledger.groups, identity, ledger.works.outcome, read_answer_key(config.answer_key))
    if result is None:
        log.warning("%s has no answer for any photo of the run", config.answer_key)
        return Validated(run)
    log.info("%d of %d summaries are exact", result.exact, result.answered)
    for place, expected, text in result.misses:
        log.info("%s: expected %s, got %s", place, expected, text)
    return Validated(run, result.answered, result.exact)
