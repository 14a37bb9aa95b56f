"""The commands about checkpoints, without Prefect: `merge` and `inspect`. Knows no photo and no store."""

from __future__ import annotations

import os
from pathlib import Path

from configs.checkpoints import InspectConfig, MergeCheckpointConfig
from flows.terminal import print_result, progress_line


def merge(config: MergeCheckpointConfig) -> int:
    """`fieldcheck merge`. Raises CheckpointError."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from tasks.checkpoints.merge import merge as merge_checkpoint

    return print_result(merge_checkpoint(config.model, config.merge, config.device, progress_line).as_json())


def inspect(config: InspectConfig) -> int:
    """`fieldcheck inspect CHECKPOINT`. Exit code 1 when something is wrong with it. Raises CheckpointError."""
    from tasks.checkpoints.inspect import inspect as inspect_checkpoint

    found = inspect_checkpoint(Path(config.checkpoint), Path(config.base) if config.base else None)
    for line in found.lines():
        progress_line(line)
    print_result(found.as_json())
    return 1 if found.refused or found.warnings else 0
