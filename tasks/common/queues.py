"""A queue shared by several consumers; each can peek at (and so reserve) its next items."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedQueue(Generic[T]):
    """Items that several consumers draw one by one, from any thread."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._lock = threading.Lock()

    def draw(self) -> T | None:
        """The next item, or None at the end."""
        with self._lock:
            return next(self._items, None)


class PeekableQueue(Generic[T]):
    """The items of one consumer, drawn from the shared queue as late as possible."""

    def __init__(self, shared: SharedQueue[T]) -> None:
        self._shared = shared
        self._ahead: deque[T] = deque()

    def take(self) -> T | None:
        """The next item, or None at the end."""
        return self._ahead.popleft() if self._ahead else self._shared.draw()

    def peek(self, place: int) -> T | None:
        """What `take` will give after so many others, or None if the items end before."""
        while len(self._ahead) <= place:
            item = self._shared.draw()
            if item is None:
                return None
            self._ahead.append(item)
        return self._ahead[place]
