"""From a configuration to a checkpoint that an engine can load, and its identity. Loads no weights, asks no hub."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from configs.devices import cuda_device_count
from configs.parts import EndpointConfig, EngineConfig, MergeConfig, ModelConfig
from tasks.checkpoints.align import check_adapter, check_alignment
from tasks.checkpoints.fingerprint import fingerprint
from tasks.checkpoints.merge import Merged
from tasks.checkpoints.merge import merge as merge_adapters
from tasks.engines.folders.admission import check_loadable
from tasks.engines.folders.files import as_folder, kind_of
from tasks.records.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A local checkpoint, its adapters, and the digests that stand for them. `dtype` is never `auto`.

    `merged` tells of the merge that `path` comes from, if this run asked for one. Of a server's model only
    `fingerprint` is known, and the rest is empty.
    """

    path: str
    adapters: tuple[str, ...]
    fingerprint: str
    adapter_fingerprints: tuple[str, ...]
    dtype: str
    merged: Merged | None = None


def resolve(
    model: ModelConfig,
    merge: MergeConfig,
    device: str,
    say: Callable[[str], None] = lambda line: None,
    *,
    served: bool = False,
) -> Checkpoint:
    """Find, judge, compare and fingerprint what is to be run; merge first if that is asked.

    `say` gets the merge's log and warnings line by line. `served` is for a checkpoint that a server loads. Raises
    CheckpointMisaligned, MergeFailed, ParityTooLow or CheckpointError.
    """
    dtype = resolve_dtype(model.dtype, device)
    if model.merged is not None:
        path = _given_merged(model, merge, model.merged, served)
        return Checkpoint(str(path), (), fingerprint(path), (), dtype)
    if not model.base:
        raise CheckpointError("no checkpoint is given; give model.base, or model.merged")
    base = _checkpoint(model.base, "model.base")
    check_loadable(base, served=served)
    adapters = tuple(as_folder(adapter, "adapter") for adapter in model.adapters)
    if merge.enabled:
        if not adapters:
            raise CheckpointError("merge.enabled is set and there is nothing to merge; give model.adapters")
        done = merge_adapters(model, merge, device, say)
        return Checkpoint(done.path, (), done.fingerprint, (), dtype, done)
    for adapter in adapters:
        check_alignment(base, adapter)
        check_adapter(base, adapter, say)
    return Checkpoint(
        path=str(base),
        adapters=tuple(map(str, adapters)),
        fingerprint=fingerprint(base),
        adapter_fingerprints=tuple(map(fingerprint, adapters)),
        dtype=dtype,
    )


def resolve_for(
    engine: EngineConfig,
    model: ModelConfig,
    merge: MergeConfig,
    device: str,
    say: Callable[[str], None] = lambda line: None,
) -> Checkpoint:
    """`resolve` for the engine that will run it: of an endpoint, what the configuration says that its server runs.

    Raises what `resolve` does.
    """
    if engine.kind != "endpoint":
        by_server = engine.kind == "swift" and engine.backend != "transformers"
        return resolve(model, merge, device, say, served=by_server)
    if merge.enabled:
        raise CheckpointError("a server runs what it has loaded; merge beforehand, and serve the merged checkpoint")
    if not model.base and model.merged is None:
        return resolve_endpoint(engine.endpoint)
    # In which dtype the server computes is its own affair, and so is the device of this machine.
    return replace(resolve(model, merge, "cpu", say, served=True), dtype="")


def resolve_endpoint(endpoint: EndpointConfig, served: str | None = None) -> Checkpoint:
    """The identity of a server's model: its name and revision, by which it is told from others.

    `served` is the name that the server gave, for an endpoint that names none; without any name its URL stands in.
    What the server has really loaded is not known: whoever changes that changes the revision.
    """
    name = endpoint.model or served or endpoint.url
    digest = hashlib.sha256("\0".join(("endpoint", name, endpoint.revision)).encode()).hexdigest()
    return Checkpoint("", (), digest, (), "")


def resolve_dtype(dtype: str, device: str) -> str:
    """The dtype that weights will have: `auto` is bfloat16 on CUDA and float32 on a CPU.

    Asked of the driver and not of torch, so that a run that infers nothing need not load it.
    """
    if dtype != "auto":
        return dtype
    return "bfloat16" if device.startswith("cuda") or (device == "auto" and cuda_device_count()) else "float32"


def _given_merged(model: ModelConfig, merge: MergeConfig, merged: str, served: bool) -> Path:
    if model.adapters:
        raise CheckpointError("model.merged holds its adapters already; give model.merged or model.adapters, not both")
    if merge.enabled:
        raise CheckpointError("merge.enabled is set and model.merged is merged already; give one of the two")
    path = _checkpoint(merged, "model.merged")
    check_loadable(path, served=served)
    if model.base:
        check_alignment(_checkpoint(model.base, "model.base"), path)
    return path


def _checkpoint(given: str, what: str) -> Path:
    folder = as_folder(given, what)
    if kind_of(folder) == "adapter":
        raise CheckpointError(f"{what} {folder} is an adapter; give it as model.adapters, with the base it belongs to")
    return folder
