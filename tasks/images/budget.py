"""How many pixels a process decodes at a time, over all its threads. Knows no photo.

A decoded photo takes some twelve bytes a pixel until it is scaled, a usual one 30 MB and the largest that is accepted
a gigabyte. One of these is decoded alone; usual ones go on side by side.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class PixelBudget:
    """Pixels in flight. Safe to call from several threads; who comes first is served first."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._queue: deque[object] = deque()
        self._used = 0

    @contextmanager
    def hold(self, pixels: int, most: int) -> Iterator[None]:
        """Wait until `pixels` more are at most `most` in all, or none at all are in flight; hold them meanwhile.

        Who holds pixels must not ask for more: two that do would wait for each other.
        """
        turn = object()
        with self._free:
            self._queue.append(turn)
            try:
                self._free.wait_for(lambda: self._queue[0] is turn and self._fits(pixels, most))
                self._used += pixels
            finally:
                self._queue.remove(turn)
                self._free.notify_all()
        try:
            yield
        finally:
            with self._free:
                self._used -= pixels
                self._free.notify_all()

    def _fits(self, pixels: int, most: int) -> bool:
        return not self._used or self._used + pixels <= most


PIXELS = PixelBudget()
"""The process's own."""
