"""What safetensors files say of themselves in their headers. Reads no weights and imports no model library."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.checkpoints.folder import read_json
from tasks.records.errors import CheckpointError

INDEX = "model.safetensors.index.json"
_MOST_HEADER = 100_000_000
"""Bytes; the limit that the safetensors library has itself."""

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


@dataclass(frozen=True, slots=True)
class Tensor:
    """Dtype and shape of one tensor."""

    dtype: str
    shape: tuple[int, ...]

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


def read_weights(folder: Path) -> Weights:
    """Read the headers of every `*.safetensors` in a folder. What is damaged is a fault, not an error."""
    weights = Weights()
    for path in sorted(folder.glob("*.safetensors")):
        weights.files.append(path.name)
        try:
            weights.bytes += path.stat().st_size
            weights.tensors.update(_header(path))
        except OSError as error:
            weights.faults.append(f"{path.name}: cannot be read: {error.strerror}")
        except CheckpointError as error:
            weights.faults.append(f"{path.name}: {error}")
    weights.faults += _missing(folder, weights)
    return weights


def _missing(folder: Path, weights: Weights) -> list[str]:
    try:
        index = read_json(folder / INDEX)
    except CheckpointError as error:
        return [str(error)]
    if index is None:
        return []
    named = index.get("weight_map")
    if not isinstance(named, dict):
        return [f"{INDEX}: holds no weight_map"]
    shards = sorted({str(shard) for shard in named.values()} - {*weights.files})
    faults = [f"{INDEX}: names {shard}, which is not there" for shard in shards]
    lost = sorted(name for name, shard in named.items() if shard not in shards and name not in weights.tensors)
    if lost and not weights.faults:
        faults.append(f"{INDEX}: names {len(lost)} weights that no file holds, such as {lost[0]}")
    return faults


def _header(path: Path) -> dict[str, Tensor]:
    """Source of the format: the safetensors README: 8 bytes of little-endian length, a JSON header, the data."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _MOST_HEADER):
            raise CheckpointError(f"is cut off, or no safetensors file: {size} bytes; copy it again")
        try:
            header = json.loads(file.read(length))
            tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
            read = {name: Tensor(entry["dtype"], tuple(entry["shape"])) for name, entry in tensors.items()}
            end = max((_end(entry) for entry in tensors.values()), default=0)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise CheckpointError("has no readable header; copy it again") from error
    if 8 + length + end != size:
        raise CheckpointError(f"should be {8 + length + end} bytes and is {size}; copy it again")
    return read


def _end(entry: dict[str, Any]) -> int:
    return int(entry["data_offsets"][1])
