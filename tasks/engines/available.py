"""What this machine has to run photos with: versions, device, and which engines can be opened. Opens none of them."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from configs.parts import EngineConfig
from tasks.engines.loading import pick_device
from tasks.engines.open import engine_class
from tasks.engines.qwen.output_layer import has_fast_bfloat16
from tasks.engines.swift_loading import check_packages
from tasks.records.errors import EngineError

_PACKAGES = ("fieldcheck", "torch", "transformers", "peft", "ms-swift", "prefect", "bitsandbytes", "flash-attn")


def versions() -> dict[str, str]:
    """Version of Python and of each package that matters to a text; those that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def device_facts(device: str) -> dict[str, Any]:
    """What `device` means here: its name, and memory in bytes or processors. Raises EngineError if it is not there."""
    place = pick_device(device)
    if place.type == "cuda":
        free, whole = torch.cuda.mem_get_info(place)
        return {"device": str(place), "name": torch.cuda.get_device_name(place), "free": free, "memory": whole}
    facts = {"device": str(place), "processors": os.cpu_count(), "threads": torch.get_num_threads()}
    return {**facts, "fast_bfloat16": has_fast_bfloat16()}


def engines(config: EngineConfig, ask: Callable[[], str]) -> dict[str, str | None]:
    """Each kind of engine, and why it cannot be opened; None if it can.

    `ask` asks the server of kind endpoint, and raises EngineError; it is called if one is named.
    """
    backends = dict.fromkeys(("transformers", config.backend))
    swift = {f"swift/{backend}": _why(partial(check_packages, backend)) for backend in backends}
    return {
        "transformers": _why(partial(engine_class, "transformers")),
        "reference": _why(partial(engine_class, "reference")),
        **swift,
        "endpoint": _why(ask) if config.endpoint.url else "no server is named (--endpoint)",
    }


def kind_of(config: EngineConfig) -> str:
    """What `engines` calls the configured one."""
    return f"swift/{config.backend}" if config.kind == "swift" else config.kind


def _why(attempt: Callable[[], object]) -> str | None:
    try:
        attempt()
    except (EngineError, ImportError) as error:
        return str(error)
    return None
