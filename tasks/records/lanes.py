"""Items given out to several takers, each of which may look at those that will be its own. Knows not what they are."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Given(Generic[T]):
    """Items that are drawn one by one, from any thread."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._lock = threading.Lock()

    def draw(self) -> T | None:
        """The next item, or None at the end."""
        with self._lock:
            return next(self._items, None)


class Lane(Generic[T]):
    """The items of one taker, drawn from what is given to all as late as they can be."""

    def __init__(self, given: Given[T]) -> None:
        self._given = given
        self._ahead: deque[T] = deque()

    def take(self) -> T | None:
        """The next item, or None at the end."""
        return self._ahead.popleft() if self._ahead else self._given.draw()

    def peek(self, place: int) -> T | None:
        """What `take` will give after so many others, or None if the items end before."""
        while len(self._ahead) <= place:
            item = self._given.draw()
            if item is None:
                return None
            self._ahead.append(item)
        return self._ahead[place]
