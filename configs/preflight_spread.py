"""What can be wrong with a run that other machines take part in. Opens no connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from configs.errors import Fault
from configs.parts import EngineConfig, ModelConfig, SpreadConfig
from configs.stores import LocalLocation, parse_store_uri


def check_spread(
    spread: SpreadConfig, engine: EngineConfig, model: ModelConfig, input_root: str, store: str
) -> Iterator[Fault]:
    """Everything that would mean something else on another machine, or nothing at all."""
    if spread.over == "devices":
        return
    if engine.kind == "endpoint":
        yield Fault("spread.over", "an endpoint is one server for all", "put a balancer in front of several servers")
    places = {"input_root": _folder(input_root), "store": _folder(store), "model.base": model.base}
    places["model.merged"] = model.merged or ""
    for name, path in places.items():
        if path and not _is_absolute(path):
            yield Fault(name, f"{path} is another folder in another process", "give an absolute path, or s3://")
    for adapter in model.adapters:
        if not _is_absolute(adapter):
            yield Fault("model.adapters", f"{adapter} is another folder in another process", "give an absolute path")


def _folder(uri: str) -> str:
    """The path behind a store's URI; empty where there is none."""
    try:
        location = parse_store_uri(uri)
    except ValueError:
        return ""  # a fault of its own
    return location.path if isinstance(location, LocalLocation) else ""


def _is_absolute(path: str) -> bool:
    return Path(path).expanduser().is_absolute()
