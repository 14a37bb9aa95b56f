"""Which weights of a folder are loaded, and what their safetensors headers say. Reads no weights.

What is loaded is what transformers and PEFT load: `adapter_model.safetensors` of an adapter, `model.safetensors` of a
checkpoint, or else the shards that the index names, which lie in the folder itself.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.engines.folders.files import ADAPTER_CONFIG, INDEX, LFS_POINTER, is_deep, read_json
from tasks.records.errors import CheckpointError

WHOLE = "model.safetensors"
ADAPTER = "adapter_model.safetensors"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.gguf")
"""Weights that are never loaded: pickles run code of their own, and GGUF is another runtime's."""

_MOST_HEADER = 32 * 2**20
"""Bytes of a header; that of a checkpoint of 200,000 tensors has 25 million. The library's own limit is 100 million."""

_MOST_TOLD = 3

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""What a dtype of safetensors is called elsewhere."""

WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
"""Bytes of an element, where it has whole ones."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Dtype and shape of one tensor, and where its data are: a file, and the byte of it at which they begin."""

    dtype: str
    shape: tuple[int, ...]
    file: str = field(default="", compare=False)
    begin: int = field(default=0, compare=False)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(slots=True)
class Weights:
    """Tensors by name, bytes of all files, names of the files, and what is wrong with them, in words."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    bytes: int = 0
    files: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(tensor.size for tensor in self.tensors.values())

    @property
    def dtypes(self) -> dict[str, int]:
        """Number of weights of each dtype, most first."""
        counted: Counter[str] = Counter()
        for tensor in self.tensors.values():
            counted[tensor.dtype] += tensor.size
        return dict(counted.most_common())


@dataclass(frozen=True, slots=True)
class Chosen:
    """Names of the weight files that are loaded, in order, and what is wrong with the choice; `index` is the index that
    they are named in, if one is."""

    files: tuple[str, ...] = ()
    index: dict[str, Any] | None = None
    faults: tuple[str, ...] = ()


def choose_weights(folder: Path) -> Chosen:
    """Which of a folder's files are loaded. What is missing or ambiguous is a fault, not an error."""
    if (folder / ADAPTER_CONFIG).is_file():
        there = (folder / ADAPTER).is_file()
        return Chosen((ADAPTER,)) if there else Chosen(faults=(f"there is no {ADAPTER}{_instead(folder)}",))
    try:
        index = read_json(folder / INDEX)
    except CheckpointError as error:
        return Chosen(faults=(str(error),))
    if index is None:
        there = (folder / WHOLE).is_file()
        return Chosen((WHOLE,)) if there else Chosen(faults=(f"there is no {WHOLE}{_instead(folder)}",))
    named, faults = _shards(index)
    if (folder / WHOLE).is_file() and named != [WHOLE]:
        both = f"there are both {WHOLE} and {INDEX}, and some engines load the one, some the other; remove one"
        return Chosen(faults=(both,))
    if faults:
        return Chosen(faults=tuple(faults))
    lost = [f"{INDEX}: names {name}, which is not there" for name in named if not (folder / name).is_file()]
    return Chosen(tuple(named), index, tuple(lost))


def strays(folder: Path) -> list[str]:
    """Names of safetensors files in a folder that are not loaded, and that a less careful server may load."""
    there = {path.name for path in folder.glob("*.safetensors")}
    return sorted(name for name in there - {*choose_weights(folder).files} if not name.startswith("."))


def read_weights(folder: Path) -> Weights:
    """Read the headers of the weights that are loaded. What is damaged is a fault, not an error."""
    chosen = choose_weights(folder)
    weights = Weights(faults=list(chosen.faults))
    for name in chosen.files:
        path = folder / name
        if not path.is_file():
            continue
        weights.files.append(name)
        try:
            weights.bytes += path.stat().st_size
            tensors = _header(path)
        except OSError as error:
            weights.faults.append(f"{name}: cannot be read: {error.strerror}")
        except CheckpointError as error:
            weights.faults.append(f"{name}: {error}")
        else:
            twice = sorted(tensors.keys() & weights.tensors.keys())
            if twice:
                weights.faults.append(f"{name}: holds {twice[0]}, which another shard holds too; copy it again")
            weights.tensors.update(tensors)
    if chosen.index is not None and not weights.faults:
        weights.faults += _not_held(chosen.index, weights)
    return weights


def _shards(index: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Names of the shards, sorted, and what is wrong with the index."""
    named = index.get("weight_map")
    if not isinstance(named, dict) or not named:
        return [], [f"{INDEX}: holds no weight_map; copy it again"]
    if not isinstance(index.get("metadata"), dict):
        return [], [f"{INDEX}: holds no metadata; copy it again"]
    shards = sorted({str(shard) for shard in named.values()})
    outside = [shard for shard in shards if not _is_name(shard)]
    return shards, [
        f"{INDEX}: names {shard!r}, which is no *.safetensors of this folder" for shard in outside[:_MOST_TOLD]
    ]


def _is_name(shard: str) -> bool:
    plain = not set(shard) & {"/", "\\", "\0"} and not shard.startswith(".")
    return plain and shard.endswith(".safetensors")


def _instead(folder: Path) -> str:
    """What lies there instead of the weights, in words."""
    there = {path.name for path in folder.glob("*.safetensors*")} - {INDEX}
    there |= {path.name for pattern in PICKLES for path in folder.glob(pattern)}
    shown = sorted(name for name in there if not name.startswith("."))
    if not shown:
        return ""
    more = f" and {len(shown) - _MOST_TOLD} more" if len(shown) > _MOST_TOLD else ""
    return f", only {', '.join(shown[:_MOST_TOLD])}{more}: never loaded; save or copy the weights again as safetensors"


def _not_held(index: dict[str, Any], weights: Weights) -> Iterator[str]:
    lost = sorted(name for name in index["weight_map"] if name not in weights.tensors)
    if lost:
        yield f"{INDEX}: names {len(lost)} weights that no file holds, such as {lost[0]}"


def _header(path: Path) -> dict[str, Tensor]:
    """Source of the format: the safetensors README: 8 bytes of little-endian length, a JSON header, the data."""
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(8)
        length = int.from_bytes(begin, "little")
        if begin == LFS_POINTER.encode()[:8] and size < 1024:
            raise CheckpointError("is a Git LFS pointer and not the file; run git lfs pull where it was cloned")
        if size < 8 or length > size - 8:
            raise CheckpointError(f"is cut off, or no safetensors file: {size} bytes; copy it again")
        if length > _MOST_HEADER:
            raise CheckpointError(f"has a header of {length} bytes, at most {_MOST_HEADER} are read; copy it again")
        try:
            header = json.loads(file.read(length))
            if is_deep(header):
                raise ValueError("nested too deep")
            tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
            read = {name: _tensor(entry, path.name, 8 + length) for name, entry in tensors.items()}
            end = max((int(entry["data_offsets"][1]) for entry in tensors.values()), default=0)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
            raise CheckpointError("has no readable header; copy it again") from error
    if 8 + length + end != size:
        raise CheckpointError(f"should be {8 + length + end} bytes and is {size}; copy it again")
    return read


def _tensor(entry: dict[str, Any], file: str, data: int) -> Tensor:
    """Dtype and shape, after a look at whether the data are as long as they say."""
    begin, end = entry["data_offsets"]
    tensor = Tensor(str(entry["dtype"]), tuple(int(side) for side in entry["shape"]), file, data + int(begin))
    width = WIDTHS.get(tensor.dtype)
    if any(side < 0 for side in tensor.shape) or (width is not None and end - begin != tensor.size * width):
        raise ValueError("shape and data differ")
    return tensor
