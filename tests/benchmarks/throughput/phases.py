"""Where the time goes: seconds of a way's phases, measured around the calls that make them up.

Phases of the device follow each other and add up to less than the whole; the rest is what Python does between them. The
phases of preparing (read, decode, patchify) run in threads of their own in our engine, beside the device: their seconds
are given apart, and only waiting for them counts.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

PREPARING = ("read", "decode", "scale", "patchify")

FLOW = {
    "flows.stage_a": {
        "verify_inputs_task": "verify",
        "resolve_checkpoint": "checkpoint",
        "plan_run": "plan",
        "validate_run": "validate",
        "publish_run": "publish",
        "report_run": "report",
    },
    "flows.devices": {"infer_shard": "infer"},
}
"""The steps of Stage-A by their names in the modules that call them."""


class Clock:
    """Adds up seconds by phase, from any thread."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def timed(self, call: Callable[..., Any], phase: str | Callable[..., str]) -> Callable[..., Any]:
        """`call`, with its seconds added to a phase, which may depend on its arguments."""

        def run(*args: Any, **kwargs: Any) -> Any:
            # Preparing is not the device's, and no other thread may wait for a device while a step is recorded.
            settle = _settle if threading.current_thread() is threading.main_thread() else _nothing
            settle()
            began = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                settle()
                taken = time.perf_counter() - began
                name = phase if isinstance(phase, str) else phase(*args, **kwargs)
                with self._lock:
                    self.seconds[name] += taken

        return run

    def watch(self, owner: Any, name: str, phase: str | Callable[..., str]) -> None:
        """Replace a function, method or module's forward by a timed one."""
        setattr(owner, name, self.timed(getattr(owner, name), phase))


def watch_ours(clock: Clock, engine: Any) -> None:
    """Phases of our engine."""
    from tasks.engines import photos, transformers

    generator = engine._generator
    clock.watch(Path, "read_bytes", "read")
    clock.watch(photos, "decode", "decode")
    clock.watch(photos.vision, "resize", "scale")
    clock.watch(transformers, "patchify", "patchify")
    clock.watch(transformers, "read_answer", "detokenise")
    generator._tower = clock.timed(generator._tower, "vision")
    generator.language = _Timed(generator.language, clock, "prefill")  # steps have their own
    clock.watch(generator, "_step", "decode step")


def watch_published(clock: Clock, way: Any) -> None:
    """Phases of the published way. Its processor decodes nothing; it scales and patchifies in one."""
    from tests.benchmarks.throughput import ways

    inner = way.model.model
    clock.watch(Path, "read_bytes", "read")
    clock.watch(ways.Image, "open", "decode")
    clock.watch(ways.ImageOps, "exif_transpose", "decode")
    way.processor = _Timed(way.processor, clock, "patchify")
    clock.watch(ways, "read_answer", "detokenise")
    clock.watch(inner.visual, "forward", "vision")
    clock.watch(inner.language_model, "forward", _step)
    clock.watch(way.model.lm_head, "forward", "output layer")


def watch_flow(clock: Clock) -> None:
    """Steps of Stage-A."""
    for module, steps in FLOW.items():
        for name, phase in steps.items():
            clock.watch(import_module(module), name, phase)


class _Timed:
    """Something whose calls are timed, and whose parts are still there."""

    def __init__(self, inner: Any, clock: Clock, phase: str) -> None:
        self._inner = inner
        self._call = clock.timed(inner, phase)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _step(*_: Any, inputs_embeds: Any = None, input_ids: Any = None, **__: Any) -> str:
    tokens = inputs_embeds if inputs_embeds is not None else input_ids
    return "prefill" if tokens is None or tokens.shape[1] > 1 else "decode step"


def _nothing() -> None:
    """What there is to wait for in a thread that prepares."""


def _settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
