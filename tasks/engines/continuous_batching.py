"""Requests to one device, in their order: prepared ahead by threads, and let into the batch as others leave it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import torch

from configs.parts import EngineConfig
from tasks.common.prefetch import prefetch
from tasks.engines.protocol import Failure, Request
from tasks.engines.sequence import Sequence
from tasks.records.errors import DeviceOutOfMemory

ENTERING = 0.25
"""Share of the batch that must be free before others enter: reading a prompt takes as long for one as for several."""

Source = Callable[[int], list[Sequence]]
"""Given how many sequences the batch has now: those that enter it. None for an empty batch are the end."""


_Prepared = tuple[Request, Sequence | Failure]


class ContinuousBatching:
    """Hands sequences to a device while threads prepare those that come next.

    When a batch runs out of memory it is restarted with half the tokens; the limit `most_tokens`, padding included,
    stays halved for the engine's lifetime.
    """

    def __init__(self, config: EngineConfig, prepare: Callable[[Request], Sequence | Failure]) -> None:
        self._config = config
        self._prepare = prepare
        self.most_tokens = config.batch_tokens

    def results(
        self, requests: Iterable[Request], run: Callable[[Source], Iterator[Sequence]]
    ) -> Iterator[Sequence | Failure]:
        """One finished sequence or failure a request, as they come. `run` finishes what its source gives.

        Raises DeviceOutOfMemory when `run` does for a batch of one, and what `prepare` raises.
        """
        depth = self._config.prefetch * self._config.batch_size
        drawn = Drawn(requests)
        with (
            ThreadPoolExecutor(self._config.prepare_workers, thread_name_prefix="prepare") as pool,
            closing(prefetch(pool, lambda request: (request, self._prepare(request)), drawn, depth)) as prepared,
        ):
            queue = _Queue(self._config, prepared, drawn)
            while True:
                try:
                    for sequence in run(lambda running: queue.enter(running, self.most_tokens)):
                        queue.left(sequence)
                        yield from queue.failures()
                        yield sequence
                    yield from queue.failures()
                    return
                except DeviceOutOfMemory:
                    if queue.rows < 2:
                        raise
                    self.most_tokens = queue.tokens // 2
                queue.restart()
                torch.cuda.empty_cache()


class Drawn:
    """Requests on their way to the batch; knows which questions are still to come among those that were drawn."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = iter(requests)
        self._waiting: Counter[Hashable] = Counter()

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        request = next(self._requests)
        self._waiting[request.question] += 1
        return request

    def arrived(self, request: Request) -> bool:
        """One less on its way. Whether another with the same question is."""
        self._waiting[request.question] -= 1
        if self._waiting[request.question]:
            return True
        del self._waiting[request.question]
        return False

    def returned(self, request: Request) -> None:
        """It is on its way again."""
        self._waiting[request.question] += 1


class _Queue:
    """Prepared sequences in order, those that are in the batch, and requests that could not be prepared."""

    def __init__(self, config: EngineConfig, prepared: Iterator[_Prepared], drawn: Drawn) -> None:
        self._config = config
        self._prepared = prepared
        self._drawn = drawn
        self._waiting: deque[Sequence] = deque()
        self._inside: dict[str, Sequence] = {}
        self._failed: list[Failure] = []

    @property
    def rows(self) -> int:
        """Rows in the batch."""
        return len(self._inside)

    @property
    def tokens(self) -> int:
        """Tokens of the batch when every row is padded to the longest."""
        return self.rows * max((one.tokens for one in self._inside.values()), default=0)

    def enter(self, running: int, most_tokens: int) -> list[Sequence]:
        """The sequences that enter a batch of so many."""
        size = self._config.batch_size
        if running and size - running < ENTERING * size:
            return []
        longest = max((one.tokens for one in self._inside.values()), default=0)
        entering: list[Sequence] = []
        while running + len(entering) < size and (one := self._next()) is not None:
            longest = max(longest, one.tokens)
            if running + len(entering) and longest * (running + len(entering) + 1) > most_tokens:
                self._waiting.appendleft(one)
                break
            entering.append(one)
        for one in entering:
            one.asked_again = self._drawn.arrived(one.request)
        self._inside |= {one.request.id: one for one in entering}
        return entering

    def left(self, sequence: Sequence) -> None:
        """A sequence has finished."""
        del self._inside[sequence.request.id]

    def restart(self) -> None:
        """All sequences of the batch wait once more, before the others."""
        for one in self._inside.values():
            one.restart()
            self._drawn.returned(one.request)
        self._waiting.extendleft(reversed(self._inside.values()))
        self._inside.clear()

    def failures(self) -> Iterator[Failure]:
        """Those not told yet."""
        while self._failed:
            yield self._failed.pop(0)

    def _next(self) -> Sequence | None:
        if self._waiting:
            return self._waiting.popleft()
        for request, item in self._prepared:
            if not isinstance(item, Failure):
                return item
            self._drawn.arrived(request)
            self._failed.append(item)
        return None
