"""Which requests go into a batch together. Knows their lengths, and nothing else of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def pack(items: Iterable[T], length: Callable[[T], int], *, most_items: int, most_tokens: int) -> Iterator[list[T]]:
    """Batches of the items, in their order and drawn as they are needed.

    A batch holds at most `most_items`, and at most `most_tokens` when every row is padded to the longest; an item that
    is longer than `most_tokens` is a batch of its own.
    """
    batch: list[T] = []
    longest = 0
    for item in items:
        tokens = length(item)
        if batch and max(longest, tokens) * (len(batch) + 1) > most_tokens:
            yield batch
            batch, longest = [], 0
        batch.append(item)
        longest = max(longest, tokens)
        if len(batch) == most_items:
            yield batch
            batch, longest = [], 0
    if batch:
        yield batch
