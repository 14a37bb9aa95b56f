"""Prefect's view of planning, of inferring a shard, and of validating what was inferred."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.store import Store
from blocks.stores import open_store
from configs.missions import known_missions
from configs.stage_a import StageAConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.engines.open import EngineSpec, open_engine
from tasks.inputs.verify import InputReport
from tasks.publishing.assemble import account
from tasks.publishing.publish import RunInput, Validated, load_outcomes
from tasks.publishing.shards import Receipt, find_shard, write_shard
from tasks.records.progress import Progress
from tasks.records.retry import RETRIED, is_retryable
from tasks.records.work import Identity, Shard
from tasks.summaries.infer import Asking, summarise
from tasks.summaries.plan import identity, plan_shards
from tasks.summaries.prompts import Prompt, summary_prompt
from tasks.summaries.score import read_answer_key, score

_LOGGED = 20
"""Bad photos of one shard that are logged one by one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All work of a run, and what it has in common."""

    shards: tuple[Shard, ...]
    prompt: Prompt
    identity: Identity

    @property
    def photos(self) -> int:
        """Photos to summarise, each once."""
        return sum(len(shard.items) for shard in self.shards)


@task(name="plan-shards", cache_policy=NO_CACHE, persist_result=False)
def plan_run(config: StageAConfig, report: InputReport, checkpoint: Checkpoint) -> Plan:
    """Cut the accepted photos into shards, each photo once."""
    prompt = summary_prompt(None if config.no_mission else known_missions()[config.mission])
    texts = identity(config, prompt, checkpoint.fingerprint, checkpoint.adapter_fingerprints, checkpoint.dtype)
    plan = Plan(tuple(plan_shards(report.groups, texts, config.shard_photos)), prompt, texts)
    get_run_logger().info("%d photos of %d to summarise in %d shards", plan.photos, report.photos, len(plan.shards))
    return plan


@task(
    name="infer-shard",
    task_run_name="infer-shard-{number}",
    tags=["gpu"],
    retries=3,
    retry_delay_seconds=[2, 10, 60],
    retry_jitter_factor=0.5,
    retry_condition_fn=is_retryable,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def infer_shard(number: int, plan: Plan, config: StageAConfig, checkpoint: Checkpoint, progress: Progress) -> Receipt:
    """Summarise shard `number` (from 1) unless the store has it, and write it. Raises EngineError or StoreError."""
    log = get_run_logger()
    shard = plan.shards[number - 1]
    store = open_store(config.store, config.s3)
    found = find_shard(store, config.mission, shard.key, (item.work_key for item in shard.items))
    if found is not None:
        log.info("shard %s is in the store: %d photos reused", shard.key[:12], found.photos)
        progress.advance(found.photos)
        return found
    before = progress.done
    try:
        return _infer(shard, plan, config, checkpoint, store, progress)
    except Exception:
        progress.done = before
        raise


@task(name="validate-run", cache_policy=NO_CACHE, **RETRIED)
def validate_run(config: StageAConfig, report: InputReport, plan: Plan, receipts: Sequence[Receipt]) -> Validated:
    """Read all shards back and account for every photo; with an answer key, score them.

    Raises Unaccounted, RecordError or StoreError.
    """
    log = get_run_logger()
    run = RunInput(
        mission=config.mission,
        no_mission=config.no_mission,
        groups=report.groups,
        rejected=report.rejected,
        rejected_photos=report.rejected_photos,
        identity=plan.identity,
        ignore_markers=config.inputs.markers == "ignored",
    )
    outcomes = load_outcomes(open_store(config.store, config.s3), receipts)
    log.info("%d photos are accounted for", account(report.groups, plan.identity, outcomes))
    if config.answer_key is None:
        return Validated(run, outcomes)
    result = score(report.groups, plan.identity, outcomes, read_answer_key(config.answer_key))
    if result is None:
        log.warning("%s has no answer for any photo of the run", config.answer_key)
        return Validated(run, outcomes)
    log.info("%d of %d summaries are exact", result.exact, result.answered)
    for place, expected, text in result.misses:
        log.info("%s: expected %s, got %s", place, expected, text)
    return Validated(run, outcomes, result.answered, result.exact)


def _infer(
    shard: Shard, plan: Plan, config: StageAConfig, checkpoint: Checkpoint, store: Store, progress: Progress
) -> Receipt:
    log = get_run_logger()
    began = time.monotonic()
    engine = open_engine(
        EngineSpec(
            checkpoint=checkpoint.path,
            adapters=checkpoint.adapters,
            fingerprint=(checkpoint.fingerprint, *checkpoint.adapter_fingerprints),
            device=config.device,
            model=config.model.model_copy(update={"dtype": checkpoint.dtype}),
            engine=config.engine,
            inputs=config.inputs,
        )
    )
    loaded = time.monotonic()
    progress.start()
    root = open_store(config.input_root, config.s3)
    asking = Asking(plan.prompt, config.generation, config.ladder)
    outcomes = summarise(shard.items, engine, asking, root.read, progress.advance)
    seconds = time.monotonic() - loaded
    bad = [outcome for outcome in outcomes if not outcome.ok]
    for outcome in bad[:_LOGGED]:
        log.warning("photo %s: %s (%s)", _place(shard, outcome.work_key), outcome.reason, outcome.detail)
    if len(bad) > _LOGGED:
        log.warning("and %d more bad photos; all of them will be in the quarantine", len(bad) - _LOGGED)
    receipt = write_shard(store, config.mission, shard.key, outcomes, seconds=seconds)
    log.info(
        "shard %s: %d photos in %.1f s (%.1f a second), engine ready after %.1f s, %d retried, %d bad",
        shard.key[:12],
        receipt.photos,
        seconds,
        receipt.photos / max(seconds, 1e-9),
        loaded - began,
        receipt.retried,
        receipt.bad,
    )
    return receipt


def _place(shard: Shard, work_key: str) -> str:
    return next(item.photo.key for item in shard.items if item.work_key == work_key)
