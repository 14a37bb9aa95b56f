"""What an adapter's folder is refused for, and warned of, whatever base it is for. Reads its weights byte by byte.

Whether it fits a base is asked in `fit`, which needs the model libraries.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.engines.folders.code import foreign
from tasks.engines.folders.files import ADAPTER_CONFIG, read_json
from tasks.engines.folders.weights import ADAPTER, Tensor, Weights, read_weights
from tasks.records.errors import CheckpointError

_MOST_TOLD = 3
_BLOCK = 2**24
_HIGHEST_RANK = 65_536

_FLOATS = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000, 0x7FFF_FFFF_FFFF_FFFF),
    "F32": ("<u4", 0x7F80_0000, 0x7FFF_FFFF),
    "F16": ("<u2", 0x7C00, 0x7FFF),
    "BF16": ("<u2", 0x7F80, 0x7FFF),
}
"""Of a float's bits: how they are read, those of its exponent (all set in NaN and infinity), and all but its sign."""

_ADDED = ("lora_B", "lora_embedding_B")


def adapter_refusals(folder: Path) -> list[str]:
    """Every reason why an adapter cannot be loaded, in words; none for a good one."""
    try:
        return [*foreign(folder), *config_faults(folder), *_weight_faults(folder)]
    except CheckpointError as error:
        return [str(error)]


def config_faults(folder: Path) -> Iterator[str]:
    """In which ways an adapter's config is none of a LoRA. Raises CheckpointError."""
    config = read_json(folder / ADAPTER_CONFIG) or {}
    if config.get("peft_type") != "LORA":
        yield f"{ADAPTER_CONFIG}: peft_type is {config.get('peft_type')!r}, and only 'LORA' is known"
        return
    rank = config.get("r")
    if type(rank) is not int or not 1 <= rank <= _HIGHEST_RANK:
        yield f"{ADAPTER_CONFIG}: r is {rank!r}, and must be a rank"


def adapter_warnings(folder: Path) -> list[str]:
    """What an adapter can be loaded with, and is most likely not meant to be."""
    weights = read_weights(folder)
    added = [name for name in weights.tensors if any(part in name for part in _ADDED)]
    if weights.faults or not added:
        return []
    zero = [name for name in added if _bits(folder / ADAPTER, weights.tensors[name])[1]]
    if len(zero) == len(added):
        return [f"{ADAPTER}: adds nothing: all of its {len(added)} lora_B are zero, as before any training"]
    return [f"{ADAPTER}: {len(zero)} of its {len(added)} lora_B are zero, such as {zero[0]}"] if zero else []


def _weight_faults(folder: Path) -> Iterator[str]:
    weights = read_weights(folder)
    yield from weights.faults
    if weights.faults:
        return
    if not weights.tensors:
        yield f"{ADAPTER}: holds no weights at all; save the adapter again"
    yield from _not_finite(folder, weights)


def _not_finite(folder: Path, weights: Weights) -> Iterator[str]:
    bad = [name for name, tensor in weights.tensors.items() if _bits(folder / ADAPTER, tensor)[0]]
    if bad:
        shown = ", ".join(bad[:_MOST_TOLD]) + (f" and {len(bad) - _MOST_TOLD} more" if len(bad) > _MOST_TOLD else "")
        yield f"{ADAPTER}: NaN or infinity in {shown}: the training diverged; use an earlier state of it"


def _bits(path: Path, tensor: Tensor) -> tuple[bool, bool]:
    """Whether a tensor holds NaN or infinity, and whether all of it is zero. Of what is no float, neither."""
    import numpy as np  # looking at a checkpoint without adapters needs none

    kind = _FLOATS.get(tensor.dtype)
    if kind is None or tensor.size == 0:
        return False, False
    form, exponent, unsigned = kind
    try:
        data: Any = np.memmap(path, dtype=form, mode="r", offset=tensor.begin, shape=(tensor.size,))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}; copy it again") from error
    blocks = [data[at : at + _BLOCK] for at in range(0, tensor.size, _BLOCK)]
    odd = any(bool(((block & exponent) == exponent).any()) for block in blocks)
    return odd, not any(bool((block & unsigned).any()) for block in blocks)
