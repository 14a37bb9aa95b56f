"""Which requests go into a batch together. Knows their lengths, and nothing else of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def plan_batches(items: Sequence[T], lengths: Sequence[int], *, most_items: int, most_tokens: int) -> list[list[T]]:
    """Cut `items` into batches of like lengths, longest first.

    A batch holds at most `most_items`, and at most `most_tokens` when every row is padded to the longest; an item that
    is longer than `most_tokens` is a batch of its own. Longest first means that a batch that does not fit into memory
    fails at once and not at the end. Items of equal length keep their order, so that the same items make the same
    batches.
    """
    order = sorted(range(len(items)), key=lambda index: -lengths[index])
    batches: list[list[T]] = []
    longest = 0
    for index in order:
        batch = batches[-1] if batches else None
        if batch is None or len(batch) >= most_items or longest * (len(batch) + 1) > most_tokens:
            batches.append([items[index]])
            longest = lengths[index]
        else:
            batch.append(items[index])
    return batches
