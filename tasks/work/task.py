"""Prefect's view of the pipeline: plan, ask about a shard, collect what was answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.errors import StoreError
from blocks.stores import open_store
from configs.work import WorkConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.checkpoints.spec import engine_spec
from tasks.common.progress import Attempt, Progress
from tasks.common.retry import INFERRING, RETRIED
from tasks.engines.open import EngineSpec, close_engine, open_engine
from tasks.engines.task import warnings_in_run
from tasks.inputs.reading import reading
from tasks.ledger.works import Works
from tasks.records.errors import EngineError, FieldcheckError
from tasks.records.outcomes import Outcome
from tasks.records.photos import on_one_line
from tasks.records.reasons import Reason
from tasks.records.work import Shard, WorkItem
from tasks.runs.shards import Receipt, read_shard, write_shard
from tasks.work.device import DeviceShards
from tasks.work.kind import Kind
from tasks.work.plan import Plan, plan_shards, plan_work

_LOGGED = 20
"""Bad items of one shard that are logged one by one."""


@task(name="plan-shards", cache_policy=NO_CACHE, **RETRIED)
def plan_run(
    config: WorkConfig, kind: Kind, works: Works, items: Callable[[], Iterable[WorkItem]], after: Sequence[object] = ()
) -> Plan:
    """Note the work items of a run, each once, and take over what earlier runs know. Raises StoreError.

    `items` is called once a try. `after` are results of the steps before, for the run's graph.
    """
    log = get_run_logger()
    works.forget()
    for item in items():
        works.add(item)
    plan, reused, forced = plan_work(open_store(config.store, config.s3), kind, works, force=config.force)
    for uri in reused.damaged:
        log.warning("%s is missing or damaged; its %ss are asked about again", uri, kind.noun)
    if reused.unfinished:
        log.warning("%d known answers break a newer rule: they go on up the ladder", reused.unfinished)
    if reused.refused:
        log.warning("%d known answers break a newer rule, no retry is left: quarantined", reused.refused)
    if forced is not None and forced.again:
        log.info("an earlier try of this forced run did not end: it goes on; to begin anew, delete %s", forced.uri)
    log.info(
        "%d different %ss: %d known from earlier runs, %d to ask about",
        plan.items,
        kind.noun,
        plan.reused,
        plan.pending,
    )
    return plan


@task(name="infer-shard", task_run_name="infer-shard-{number}", cache_policy=NO_CACHE, **INFERRING)
def infer_shard(
    number: int,
    shard: Shard,
    plan: Plan,
    config: WorkConfig,
    checkpoint: Checkpoint,
    progress: Progress,
    shards: DeviceShards,
) -> Receipt:
    """Ask about the items of a shard, the `number`-th of the run, and write it; meanwhile the device's next is begun.

    Raises EngineError or StoreError.
    """
    attempt = progress.attempt()
    spec = engine_spec(checkpoint, config.model, config.engine, config.inputs, shards.device)
    try:
        with warnings_in_run():
            return _infer(number, shard, plan.kind, config, spec, attempt, shards)
    except Exception as error:
        attempt.take_back()
        if isinstance(error, EngineError) and error.retryable:
            close_engine(spec)  # the next try starts with a fresh one
        elif isinstance(error, FieldcheckError) and not error.retryable:
            _keep(config, plan, shards.interrupted)  # there is no next try in this run
        shards.close()
        raise


def collect(config: WorkConfig, kind: Kind, works: Works, receipts: Iterable[Receipt]) -> None:
    """Read this run's shards back into the ledger. Raises RecordError or StoreError."""
    store = open_store(config.store, config.s3)
    for receipt in receipts:
        # Those of other machines may be judged by the rules of another release.
        works.answer(map(kind.judge_again, read_shard(store, receipt.key, receipt.sha256, kind.record)))


def _keep(config: WorkConfig, plan: Plan, done: list[tuple[WorkItem, Outcome]]) -> None:
    """Write what was answered of a shard that an error ended, as a smaller one: the next run asks for the rest.

    A store that fails too is told in the log.
    """
    if not done:
        return
    kind = plan.kind
    (shard,) = plan_shards((item for item, _ in done), lambda: len(done), plan.epoch, kind.revision)
    outcomes = [outcome for _, outcome in done]
    try:
        store = open_store(config.store, config.s3)
        write_shard(store, kind.folder, kind.identity.digest, shard, outcomes, seconds=0.0)
    except StoreError as error:
        get_run_logger().warning("what was answered of this shard is lost: %s", error)
    else:
        get_run_logger().info("%d %ss of this shard were answered and are kept", len(done), kind.noun)


def _infer(
    number: int,
    shard: Shard,
    kind: Kind,
    config: WorkConfig,
    spec: EngineSpec,
    attempt: Attempt,
    shards: DeviceShards,
) -> Receipt:
    log = get_run_logger()
    began = time.monotonic()
    engine = open_engine(spec)
    loaded = time.monotonic()
    attempt.progress.start()
    store = open_store(config.store, config.s3)
    read = reading(open_store(config.photos, config.s3), kind.photos_under) if config.photos else _no_photo
    reader = shards.reader(engine, kind, read)
    outcomes = reader.outcomes(shard, attempt.advance)
    seconds = time.monotonic() - loaded
    # What has no scores is told once, by the run that has none then.
    bad = [outcome for outcome in outcomes if not outcome.ok and outcome.reason is not Reason.NO_SCORES]
    places = {item.work_key: on_one_line(item.about.key) for item in shard.items}
    for outcome in bad[:_LOGGED]:
        log.warning(
            "%s %s: %s (%s)",
            kind.noun,
            places[outcome.work_key],
            outcome.reason,
            on_one_line(outcome.detail or ""),
        )
    if len(bad) > _LOGGED:
        log.warning("and %d more bad ones; all of them will be in the quarantine", len(bad) - _LOGGED)
    receipt = write_shard(store, kind.folder, kind.identity.digest, shard, outcomes, seconds=seconds)
    log.info(
        "shard %d (%s): %d %ss in %.1f s (%.1f a second), engine ready after %.1f s, %d retried, %d bad",
        number,
        shard.key[:12],
        receipt.items,
        kind.noun,
        seconds,
        receipt.items / max(seconds, 1e-9),
        loaded - began,
        receipt.retried,
        receipt.bad,
    )
    return receipt


def _no_photo(key: str) -> bytes:
    raise EngineError(f"{key} is a photo, and this run knows of none")
