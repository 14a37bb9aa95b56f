"""Prefect's view of the checkpoint step."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from configs.parts import MergeConfig, ModelConfig
from configs.photo import ReadConfig
from tasks.checkpoints.merge import Merged, merge
from tasks.checkpoints.resolve import Checkpoint, resolve_for


@task(name="resolve-checkpoint", cache_policy=NO_CACHE, persist_result=False)
def resolve_checkpoint(config: ReadConfig, device: str) -> Checkpoint:
    """Fingerprint the checkpoint and its adapters, after merging them if that is asked; `device` compares the two.

    Raises CheckpointError.
    """
    logger = get_run_logger()
    checkpoint = resolve_for(config.engine, config.model, config.merge, device, logger.info)
    logger.info(
        "checkpoint %s, fingerprint %s, dtype %s, %d adapters",
        checkpoint.path or "of a server",
        checkpoint.fingerprint[:12],
        checkpoint.dtype or "the server's own",
        len(checkpoint.adapters),
    )
    if checkpoint.merged is not None:
        _tell(checkpoint.merged)
    return checkpoint


@task(name="merge-checkpoint", cache_policy=NO_CACHE, persist_result=False)
def merge_checkpoint(model: ModelConfig, config: MergeConfig, device: str) -> Merged:
    """Merge adapters into their base, once. Raises MergeFailed, ParityTooLow or CheckpointError."""
    merged = merge(model, config, device, get_run_logger().info)
    _tell(merged)
    return merged


def _tell(merged: Merged) -> None:
    get_run_logger().info(
        "%s: %d of %d probe photos with the same text before and after, largest logit difference %.3g",
        "merged now" if merged.fresh else "was merged before",
        merged.parity.same,
        merged.parity.photos,
        merged.parity.largest_logit_difference,
    )
