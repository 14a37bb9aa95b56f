"""Tells a photo's fault from the engine's: one that is refused alone is the photo's, three in a row the engine's."""

from __future__ import annotations

import threading
from collections.abc import Hashable

IN_A_ROW = 3
"""So many different photos, asked one after the other and refused alike, are the engine's fault."""


class RefusedPhotos:
    """The photos that an engine would not answer for, by their places in the order in which they were asked.

    Results come in another order than photos are asked in, and refusals before answers: it is the order of asking that
    counts. Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = 0
        self._refused: dict[int, tuple[str, Hashable]] = {}

    def place(self) -> int:
        """The place of the next photo that is asked."""
        with self._lock:
            self._asked += 1
            return self._asked

    def add(self, place: int, photo: str, how: Hashable) -> bool:
        """Note that the photo at a place was refused, and `how`; whether that makes three in a row."""
        with self._lock:
            self._refused[place] = (photo, how)
            return any(self._is_row(first) for first in range(place - IN_A_ROW + 1, place + 1))

    def _is_row(self, first: int) -> bool:
        row = [self._refused.get(place) for place in range(first, first + IN_A_ROW)]
        photos = {one[0] for one in row if one is not None}
        return len(photos) == IN_A_ROW and len({one[1] for one in row if one is not None}) == 1
