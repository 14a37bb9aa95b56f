"""Photos that enter a batch as others leave it. Knows no engine."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.engines.qwen.generator import Asked, Source


def keeping(size: int, photos: Sequence[Asked], least: int = 1) -> Source:
    """A source that keeps a batch at `size` rows for as long as there are photos, in their order.

    At least `least` enter at a time, unless none is inside.
    """
    waiting = list(photos)

    def source(rows: int) -> list[Asked]:
        if rows and size - rows < least:
            return []
        entering = waiting[: size - rows]
        del waiting[: size - rows]
        return entering

    return source
