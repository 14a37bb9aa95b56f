"""Open the engine that a run asks for, once per process and device. Imports no model library until then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from configs.parts import EngineConfig, InputConfig, ModelConfig
from configs.proxies import reach_local_servers_directly
from tasks.engines.protocol import Engine


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """All that an engine is opened with; equal specs share one engine.

    `fingerprint` tells two contents of one folder apart. `checkpoint` may be empty for kind endpoint; without it the
    photos are scaled by Qwen3-VL's published bounds.
    """

    checkpoint: str
    adapters: tuple[str, ...]
    fingerprint: tuple[str, ...]
    device: str
    model: ModelConfig
    engine: EngineConfig
    inputs: InputConfig


_lock = threading.Lock()  # model libraries load one model at a time
_held: dict[EngineSpec, Engine] = {}


def open_engine(spec: EngineSpec) -> Engine:
    """The engine for `spec`: one that this process holds, or a new one.

    Held together are engines that differ in their device alone; any other is closed first. Raises CheckpointError or
    EngineError; ConfigError or StoreUnavailable when the key of an endpoint cannot be had.
    """
    with _lock:
        for held in list(_held):
            if replace(held, device=spec.device) != spec:
                _close(held)
        if spec not in _held:
            _held[spec] = _open(spec)
        return _held[spec]


def import_ahead(kind: str) -> None:
    """Begin to import an engine's libraries in a thread: for whoever has to wait for something else first."""

    def load() -> None:
        with suppress(Exception):  # whatever it is, opening the engine raises it where it is heard
            engine_class(kind)

    # Nobody waits for it at the end: see `blocks.program`, which knows it by its name.
    threading.Thread(target=load, name="import-engine", daemon=True).start()


def close_engine(spec: EngineSpec) -> None:
    """Close the engine for `spec`, if there is one."""
    with _lock:
        _close(spec)


def close_engines() -> None:
    """Close what this process holds."""
    with _lock:
        for spec in list(_held):
            _close(spec)


def _close(spec: EngineSpec) -> None:
    if (engine := _held.pop(spec, None)) is not None:
        engine.close()


def _open(spec: EngineSpec) -> Engine:
    if spec.engine.kind == "endpoint":
        from blocks.api_key import api_key

        reach_local_servers_directly()
        return engine_class(spec.engine.kind)(
            spec.checkpoint,
            api_key=api_key(spec.engine.endpoint),
            model=spec.model,
            engine=spec.engine,
            inputs=spec.inputs,
        )
    return engine_class(spec.engine.kind)(
        spec.checkpoint,
        spec.adapters,
        device=spec.device,
        model=spec.model,
        engine=spec.engine,
        inputs=spec.inputs,
    )


def engine_class(kind: str) -> Callable[..., Engine]:
    """The class of an engine's kind. Imports its libraries."""
    if kind == "endpoint":
        from tasks.engines.endpoint import EndpointEngine

        return EndpointEngine
    if kind == "swift":
        from tasks.engines.swift import SwiftEngine

        return SwiftEngine
    if kind == "reference":
        from tasks.engines.reference import ReferenceEngine

        return ReferenceEngine
    from tasks.engines.transformers import TransformersEngine

    return TransformersEngine
