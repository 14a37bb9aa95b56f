"""Prefect's view of the checkpoint step."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from configs.stage_a import StageAConfig
from tasks.checkpoints.resolve import Checkpoint, resolve


@task(name="resolve-checkpoint", cache_policy=NO_CACHE, persist_result=False)
def resolve_checkpoint(config: StageAConfig) -> Checkpoint:
    """Fingerprint the checkpoint and its adapters. Raises CheckpointError."""
    checkpoint = resolve(config)
    get_run_logger().info(
        "checkpoint %s, fingerprint %s, dtype %s, %d adapters",
        checkpoint.path,
        checkpoint.fingerprint[:12],
        checkpoint.dtype,
        len(checkpoint.adapters),
    )
    return checkpoint
