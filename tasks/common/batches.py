"""Items, one batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], size: Callable[[], int]) -> Iterator[tuple[T, ...]]:
    """The items in their order; `size`, which is at least 1, is asked before each batch how many it may have."""
    left = iter(items)
    while batch := tuple(islice(left, size())):
        yield batch
