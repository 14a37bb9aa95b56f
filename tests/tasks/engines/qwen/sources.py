"""Sequences that enter a batch as others leave it. Knows no engine."""

from __future__ import annotations

from collections.abc import Callable

from tasks.engines.qwen.generator import Source
from tasks.engines.sequence import Sequence

Ask = Callable[..., Sequence]
"""Given the number of a photo and the limit of its answer, an id or prompt of its own, and decoding: a sequence."""


def keeping(size: int, sequences: list[Sequence], least: int = 1) -> Source:
    """A source that keeps a batch at `size` rows for as long as there are sequences, in their order.

    At least `least` enter at a time, unless none is inside.
    """
    waiting = list(sequences)

    def source(rows: int) -> list[Sequence]:
        if rows and size - rows < least:
            return []
        entering = waiting[: size - rows]
        del waiting[: size - rows]
        return entering

    return source
