"""The order of photos in a group. Knows only names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from natsort import natsort_keygen, ns

_natural: Callable[[str], Any] = natsort_keygen(alg=ns.INT | ns.IGNORECASE)


def natural_key(name: str) -> tuple[Any, str]:
    """Sort key for file names: numbers by value, letters without case, the plain name to settle ties."""
    return _natural(name), name
