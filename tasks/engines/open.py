"""Open the engine that a run asks for, once per process. Imports no model library until then."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from configs.parts import EngineConfig, InputConfig, ModelConfig
from tasks.engines.protocol import Engine


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """All that an engine is opened with; equal specs share one engine. `fingerprint` tells two contents of one
    folder apart."""

    checkpoint: str
    adapters: tuple[str, ...]
    fingerprint: tuple[str, ...]
    device: str
    model: ModelConfig
    engine: EngineConfig
    inputs: InputConfig


_lock = threading.Lock()
_held: dict[EngineSpec, Engine] = {}


def open_engine(spec: EngineSpec) -> Engine:
    """The engine for `spec`: the one this process holds, or a new one, for which the old one is closed first.

    Raises CheckpointError, DeviceOutOfMemory or EngineError.
    """
    with _lock:
        if spec not in _held:
            _close_all()
            _held[spec] = _open(spec)
        return _held[spec]


def close_engines() -> None:
    """Close what this process holds."""
    with _lock:
        _close_all()


def _close_all() -> None:
    while _held:
        _, engine = _held.popitem()
        engine.close()


def _open(spec: EngineSpec) -> Engine:
    from tasks.engines.transformers import TransformersEngine

    return TransformersEngine(
        spec.checkpoint,
        spec.adapters,
        device=spec.device,
        model=spec.model,
        engine=spec.engine,
        inputs=spec.inputs,
    )
