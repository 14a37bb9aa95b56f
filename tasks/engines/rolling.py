"""Requests through a device whose batch others may join as soon as some have ended. Knows no model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Generic, Protocol, TypeVar

import torch

from configs.parts import EngineConfig
from tasks.engines.protocol import Failure, Request, Result
from tasks.records.ahead import ahead
from tasks.records.errors import DeviceOutOfMemory

ENTERING = 0.25
"""Share of the batch that must be free before others enter: reading a prompt takes as long for one as for several."""


class Queued(Protocol):
    """A prepared request that knows how many tokens it puts into a batch."""

    @property
    def request(self) -> Request:
        """The request."""
        ...

    @property
    def tokens(self) -> int:
        """Tokens of prompt and picture."""
        ...


Row = TypeVar("Row", bound=Queued)

Source = Callable[[int], Sequence[Row]]
"""Given how many rows the batch has now: those that enter it. None for an empty batch are the end."""


class Rolling(Generic[Row]):
    """Hands requests to a device in their order, while threads prepare those that come next.

    A batch that does not fit is begun again with half the tokens, and so is none later on: `most_tokens`, padding
    included, stays what it then is.
    """

    def __init__(self, config: EngineConfig, prepare: Callable[[Request], Row | Failure]) -> None:
        self._config = config
        self._prepare = prepare
        self.most_tokens = config.batch_tokens

    def results(
        self, requests: Iterable[Request], answer: Callable[[Source[Row]], Iterator[Result]]
    ) -> Iterator[Result]:
        """One result a request, as they come. `answer` gives those of the rows that it is given.

        Raises DeviceOutOfMemory when `answer` does for a batch of one, and what `prepare` raises.
        """
        depth = self._config.prefetch * self._config.batch_size
        with (
            ThreadPoolExecutor(self._config.prepare_workers, thread_name_prefix="prepare") as pool,
            closing(ahead(pool, self._prepare, requests, depth)) as prepared,
        ):
            queue = _Queue(self._config, prepared)
            while True:
                try:
                    for result in answer(lambda rows: queue.enter(rows, self.most_tokens)):
                        queue.left(result)
                        yield from queue.failures()
                        yield result
                    yield from queue.failures()
                    return
                except DeviceOutOfMemory:
                    if queue.rows < 2:
                        raise
                    self.most_tokens = queue.tokens // 2
                queue.again()
                torch.cuda.empty_cache()


class _Queue(Generic[Row]):
    """Prepared requests in order, those that are in the batch, and those that could not be prepared."""

    def __init__(self, config: EngineConfig, prepared: Iterator[Row | Failure]) -> None:
        self._config = config
        self._prepared = prepared
        self._waiting: deque[Row] = deque()
        self._inside: dict[str, Row] = {}
        self._failed: list[Failure] = []

    @property
    def rows(self) -> int:
        """Rows in the batch."""
        return len(self._inside)

    @property
    def tokens(self) -> int:
        """Tokens of the batch when every row is padded to the longest."""
        return self.rows * max((row.tokens for row in self._inside.values()), default=0)

    def enter(self, rows: int, most_tokens: int) -> list[Row]:
        """The rows that enter a batch of so many."""
        size = self._config.batch_size
        if rows and size - rows < ENTERING * size:
            return []
        longest = max((row.tokens for row in self._inside.values()), default=0)
        entering: list[Row] = []
        while rows + len(entering) < size and (row := self._next()) is not None:
            longest = max(longest, row.tokens)
            if rows + len(entering) and longest * (rows + len(entering) + 1) > most_tokens:
                self._waiting.appendleft(row)
                break
            entering.append(row)
        self._inside |= {row.request.id: row for row in entering}
        return entering

    def left(self, result: Result) -> None:
        """A row is done."""
        del self._inside[result.id]

    def again(self) -> None:
        """All rows of the batch are asked once more, before the others."""
        self._waiting.extendleft(reversed(self._inside.values()))
        self._inside.clear()

    def failures(self) -> Iterator[Failure]:
        """Those not told yet."""
        while self._failed:
            yield self._failed.pop(0)

    def _next(self) -> Row | None:
        if self._waiting:
            return self._waiting.popleft()
        for item in self._prepared:
            if not isinstance(item, Failure):
                return item
            self._failed.append(item)
        return None
