"""Prefect's view of planning, of inferring a shard, and of validating what was inferred."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.errors import StoreError
from blocks.stores import open_store
from configs.errors import ConfigError, Fault
from configs.missions import known_missions
from configs.stage_a import StageAConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.checkpoints.spec import engine_spec
from tasks.common.progress import Attempt, Progress
from tasks.common.retry import INFERRING, RETRIED
from tasks.engines.open import EngineSpec, close_engine, open_engine
from tasks.engines.task import warnings_in_run
from tasks.inputs.reading import reading
from tasks.inputs.verify import InputReport
from tasks.ledger.ledger import Ledger
from tasks.records.errors import EngineError, FieldcheckError
from tasks.records.photos import on_one_line
from tasks.records.prompts import Prompt
from tasks.records.work import Identity, Shard
from tasks.runs.assemble import account
from tasks.runs.forced import begin_forced
from tasks.runs.pieces import Piece
from tasks.runs.publish import RunInput, Validated
from tasks.runs.requeue import Carried
from tasks.runs.reuse import reuse
from tasks.runs.shards import Receipt, read_shard, receipt_of, write_shard
from tasks.summaries.grammar import GRAMMAR_REVISION
from tasks.summaries.infer import Asking
from tasks.summaries.judge import judge_again, judge_for
from tasks.summaries.lane import DeviceLane
from tasks.summaries.plan import differences, identity, plan_shards, plan_work, shard_size
from tasks.summaries.prompts import summary_prompt
from tasks.summaries.score import read_answer_key, score

_LOGGED = 20
"""Bad photos of one shard that are logged one by one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What all work of a run has in common, and how much of it there is.

    Of `photos` different photos, `reused` are known from earlier runs and `pending` are not. The work itself is in the
    ledger.
    """

    prompt: Prompt
    identity: Identity
    photos: int
    reused: int
    pending: int
    epoch: int


@task(name="plan-shards", cache_policy=NO_CACHE, **RETRIED)
def plan_run(
    config: StageAConfig,
    ledger: Ledger,
    report: InputReport,
    checkpoint: Checkpoint,
    carried: Carried | None = None,
) -> Plan:
    """Note the work of all accepted groups, each photo once, and take over what earlier runs know.

    Raises ConfigError when a run is carried over whose texts came from something else, or StoreError.
    """
    log = get_run_logger()
    prompt = summary_prompt(None if config.no_mission else known_missions()[config.mission])
    texts = identity(config, prompt, checkpoint.fingerprint, checkpoint.adapter_fingerprints, checkpoint.dtype)
    if carried is not None and (other := differences(texts, carried.manifest)):
        what = f"that run had another {', another '.join(other)}"
        raise ConfigError([Fault("requeue", what, "give what it had, or run stage-a")])
    ledger.works.forget()
    plan_work(ledger.groups, ledger.works, texts)
    store = open_store(config.store, config.s3)
    forced = begin_forced(store, config.mission, texts.digest) if config.force else None
    judge = judge_for(config.ladder)
    taken = reuse(store, config.mission, texts.digest, ledger.works, judge, epoch=forced.epoch if forced else None)
    for uri in taken.damaged:
        log.warning("%s is missing or damaged; its photos are inferred again", uri)
    if taken.unfinished:
        log.warning("%d known summaries break a newer rule: their photos go on up the ladder", taken.unfinished)
    if taken.refused:
        log.warning("%d known summaries break a newer rule, no retry is left: quarantined", taken.refused)
    if forced is not None and forced.again:
        log.info("an earlier try of this forced run did not end: it goes on; to begin anew, delete %s", forced.uri)
    photos = ledger.works.count()
    plan = Plan(prompt, texts, photos, taken.photos, photos - taken.photos, forced.epoch if forced else 0)
    log.info(
        "%d photos, %d of them different: %d known from earlier runs, %d to summarise",
        report.photos,
        photos,
        plan.reused,
        plan.pending,
    )
    return plan


def pending_shards(config: StageAConfig, plan: Plan, ledger: Ledger, progress: Progress) -> Iterator[Shard]:
    """The shards of the work that is left, one at a time, each as large as what was done so far suggests."""
    return plan_shards(ledger.works.pending(), lambda: shard_size(config, progress.rate), plan.epoch)


def plan_piece(piece: Piece, checkpoint: Checkpoint) -> Plan:
    """The plan of a piece of another process's run. Raises ConfigError if this process would write other texts."""
    config = piece.config
    prompt = summary_prompt(None if config.no_mission else known_missions()[config.mission])
    texts = identity(config, prompt, checkpoint.fingerprint, checkpoint.adapter_fingerprints, checkpoint.dtype)
    other = differences(texts, piece.identity)
    if piece.revision != GRAMMAR_REVISION:
        other.append("grammar")
    if other:
        what = f"{socket.gethostname()} has another {', another '.join(other)} than the run that it is to help"
        raise ConfigError([Fault("spread", what, "give all machines the same release, checkpoint and kind of device")])
    return Plan(prompt, texts, len(piece.items), 0, len(piece.items), piece.epoch)


def shards_of_piece(piece: Piece, plan: Plan) -> tuple[list[Receipt], list[Shard]]:
    """Receipts of the shards that an earlier try at this piece wrote, and the shards that are left.

    Raises StoreError.
    """
    store = open_store(piece.config.store, piece.config.s3)
    done: list[Receipt] = []
    left: list[Shard] = []
    for shard in plan_shards(piece.items, lambda: piece.config.shard_photos, piece.epoch):
        receipt = receipt_of(store, piece.config.mission, plan.identity.digest, shard)
        if receipt is None:
            left.append(shard)
        else:
            done.append(receipt)
    return done, left


@task(
    name="infer-shard",
    task_run_name="infer-shard-{number}",
    cache_policy=NO_CACHE,
    **INFERRING,
)
def infer_shard(
    number: int,
    shard: Shard,
    plan: Plan,
    config: StageAConfig,
    checkpoint: Checkpoint,
    progress: Progress,
    lane: DeviceLane,
) -> Receipt:
    """Summarise the photos of a shard, the `number`-th of the run, and write it; meanwhile the lane's next is begun.

    Raises EngineError or StoreError.
    """
    attempt = progress.attempt()
    spec = engine_spec(checkpoint, config.model, config.engine, config.inputs, lane.device)
    try:
        with warnings_in_run():
            return _infer(number, shard, plan, config, spec, attempt, lane)
    except Exception as error:
        attempt.take_back()
        if isinstance(error, EngineError) and error.retryable:
            close_engine(spec)  # the next try starts with a fresh one
        elif isinstance(error, FieldcheckError) and not error.retryable:
            _keep(config, plan, lane)  # there is no next try in this run
        lane.close()
        raise


def _keep(config: StageAConfig, plan: Plan, lane: DeviceLane) -> None:
    """Write what was summarised of a shard that an error ended, as a smaller one: the next run asks for the rest.

    A store that fails too is told in the log.
    """
    done = lane.interrupted
    if not done:
        return
    (shard,) = plan_shards((item for item, _ in done), lambda: len(done), plan.epoch)
    outcomes = [outcome for _, outcome in done]
    try:
        write_shard(
            open_store(config.store, config.s3), config.mission, plan.identity.digest, shard, outcomes, seconds=0.0
        )
    except StoreError as error:
        get_run_logger().warning("what was summarised of this shard is lost: %s", error)
    else:
        get_run_logger().info("%d photos of this shard were summarised and are kept", len(done))


@task(name="validate-run", cache_policy=NO_CACHE, **RETRIED)
def validate_run(config: StageAConfig, plan: Plan, ledger: Ledger, receipts: Sequence[Receipt]) -> Validated:
    """Read this run's shards back and account for every photo; with an answer key, score them.

    Raises Unaccounted, RecordError or StoreError.
    """
    log = get_run_logger()
    store = open_store(config.store, config.s3)
    for receipt in receipts:
        # Those of other machines may be judged by the grammar of another release.
        ledger.works.answer(map(judge_again, read_shard(store, receipt.key, receipt.sha256)))
    run = RunInput(
        mission=config.mission,
        no_mission=config.no_mission,
        identity=plan.identity,
        config=config.publishing,
        ignore_markers=config.inputs.markers == "ignored",
    )
    log.info("%d photos are accounted for", account(ledger, plan.identity))
    if config.answer_key is None:
        return Validated(run)
    result = score(ledger.groups, plan.identity, ledger.works.outcome, read_answer_key(config.answer_key))
    if result is None:
        log.warning("%s has no answer for any photo of the run", config.answer_key)
        return Validated(run)
    log.info("%d of %d summaries are exact", result.exact, result.answered)
    for place, expected, text in result.misses:
        log.info("%s: expected %s, got %s", place, expected, text)
    return Validated(run, result.answered, result.exact)


def _infer(
    number: int,
    shard: Shard,
    plan: Plan,
    config: StageAConfig,
    spec: EngineSpec,
    attempt: Attempt,
    lane: DeviceLane,
) -> Receipt:
    log = get_run_logger()
    began = time.monotonic()
    engine = open_engine(spec)
    loaded = time.monotonic()
    attempt.progress.start()
    store, root = open_store(config.store, config.s3), open_store(config.input_root, config.s3)
    asking = Asking(plan.prompt, config.generation, config.ladder)
    outcomes = lane.reading(engine, asking, reading(root, config.mission)).outcomes(shard.items, attempt.advance)
    seconds = time.monotonic() - loaded
    bad = [outcome for outcome in outcomes if not outcome.ok]
    places = {item.work_key: on_one_line(item.photo.key) for item in shard.items}
    for outcome in bad[:_LOGGED]:
        log.warning("photo %s: %s (%s)", places[outcome.work_key], outcome.reason, on_one_line(outcome.detail or ""))
    if len(bad) > _LOGGED:
        log.warning("and %d more bad photos; all of them will be in the quarantine", len(bad) - _LOGGED)
    receipt = write_shard(store, config.mission, plan.identity.digest, shard, outcomes, seconds=seconds)
    log.info(
        "shard %d (%s): %d photos in %.1f s (%.1f a second), engine ready after %.1f s, %d retried, %d bad",
        number,
        shard.key[:12],
        receipt.photos,
        seconds,
        receipt.photos / max(seconds, 1e-9),
        loaded - began,
        receipt.retried,
        receipt.bad,
    )
    return receipt
