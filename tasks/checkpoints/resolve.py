"""From a configuration to a checkpoint that an engine can load, and its identity. Loads no weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from configs.devices import cuda_device_count
from configs.stage_a import StageAConfig
from tasks.checkpoints.fingerprint import fingerprint


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A local checkpoint, its adapters, and the digests that stand for them. `dtype` is never `auto`."""

    path: str
    adapters: tuple[str, ...]
    fingerprint: str
    adapter_fingerprints: tuple[str, ...]
    dtype: str


def resolve(config: StageAConfig) -> Checkpoint:
    """Fingerprint the checkpoint and its adapters. Raises CheckpointError."""
    return Checkpoint(
        path=str(Path(config.checkpoint).resolve()),
        adapters=tuple(str(Path(adapter).resolve()) for adapter in config.adapters),
        fingerprint=fingerprint(config.checkpoint),
        adapter_fingerprints=tuple(fingerprint(adapter) for adapter in config.adapters),
        dtype=resolve_dtype(config.model.dtype, config.device),
    )


def resolve_dtype(dtype: str, device: str) -> str:
    """The dtype that weights will have: `auto` is bfloat16 on CUDA and float32 on a CPU.

    Asked of the driver and not of torch, so that a run that infers nothing need not load it.
    """
    if dtype != "auto":
        return dtype
    return "bfloat16" if device.startswith("cuda") or (device == "auto" and cuda_device_count()) else "float32"
