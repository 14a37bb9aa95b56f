"""The order of photos: by name within a group, by key within a folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from natsort import natsort_keygen, ns

_natural: Callable[[str], Any] = natsort_keygen(alg=ns.INT | ns.IGNORECASE)


def natural_key(name: str) -> tuple[Any, str]:
    """Sort key for file names: numbers by value, letters without case, the plain name to settle ties."""
    return _natural(name), name


def natural_place(key: str) -> bytes:
    """A key's place among others, folder by folder: as bytes, these sort as `natural_key` sorts each part."""
    return b"".join(_bytes_of(natural_key(part)) for part in key.split("/"))


def _bytes_of(key: tuple[Any, str]) -> bytes:
    # A string ends with a zero byte, which no name has; what follows it is a number, marked by a one, or the end, a
    # zero. So whatever goes on sorts behind what has ended, as with tuples.
    parts, name = key
    packed = b"".join(_number(part) if isinstance(part, int) else _text(part) for part in parts)
    return packed + b"\0" + _text(name)


def _number(value: int) -> bytes:
    digits = value.to_bytes((value.bit_length() + 7) // 8 or 1)
    return b"\x01" + len(digits).to_bytes(2) + digits


def _text(part: str) -> bytes:
    return part.encode("utf-8", "surrogatepass") + b"\0"
