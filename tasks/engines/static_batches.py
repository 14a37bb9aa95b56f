"""Batches of requests: packed by length, then through one device, prepared ahead and halved where they do not fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import groupby
from typing import Generic, Protocol, TypeVar

import torch

from configs.parts import EngineConfig
from tasks.common.prefetch import prefetch
from tasks.engines.protocol import Failure, Request, Result
from tasks.records.errors import DeviceFailed, DeviceOutOfMemory, EngineUnavailable

_NAMED = 8
"""Photos that a message names."""


class Sized(Protocol):
    """A prepared request that knows how many tokens it puts into a batch."""

    @property
    def tokens(self) -> int:
        """Tokens of prompt and picture."""
        ...


Row = TypeVar("Row", bound=Sized)
_T = TypeVar("_T")


class Batches(Generic[Row]):
    """Packs batches by the photos' sizes and runs them, while threads prepare the ones that come next.

    `forward` answers one batch, and raises DeviceOutOfMemory when it does not fit: it is then halved, and so is every
    later one of its size, before it is tried.
    """

    def __init__(
        self,
        config: EngineConfig,
        length: Callable[[Request], int],
        prepare: Callable[[Request], Row | Failure],
        forward: Callable[[list[Row]], list[Result]],
    ) -> None:
        self._config = config
        self._length = length
        self._prepare = prepare
        self._forward = forward
        self.too_many: float = math.inf  # padded tokens of the smallest batch that did not fit

    def results(self, requests: Iterable[Request], most_items: int | None = None) -> Iterator[Result]:
        """One result a request; all must have the same decoding limits. `most_items` replaces the batch size."""
        most = most_items or self._config.batch_size
        batches = pack(requests, self._length, most_items=most, most_tokens=self._config.batch_tokens)
        numbered = ((number, request) for number, batch in enumerate(batches) for request in batch)

        def prepare(one: tuple[int, Request]) -> tuple[int, Row | Failure]:
            return one[0], self._prepare(one[1])

        with (
            ThreadPoolExecutor(self._config.prepare_workers, thread_name_prefix="prepare") as pool,
            closing(prefetch(pool, prepare, numbered, self._config.prefetch * most)) as prepared,
        ):
            for _, batch in groupby(prepared, key=lambda one: one[0]):
                rows: list[Row] = []
                for _, item in batch:
                    if isinstance(item, Failure):
                        yield item
                    else:
                        rows.append(item)
                if rows:
                    yield from self._run(rows)

    def _run(self, rows: list[Row]) -> list[Result]:
        if len(rows) == 1:
            return self._forward(rows)
        tokens = len(rows) * max(row.tokens for row in rows)
        if tokens < self.too_many:
            try:
                return self._forward(rows)
            except DeviceOutOfMemory:
                self.too_many = min(self.too_many, tokens)
            torch.cuda.empty_cache()
        half = len(rows) // 2
        return [*self._run(rows[:half]), *self._run(rows[half:])]


class OnDevice(Protocol):
    """A prepared request that a device works on."""

    @property
    def request(self) -> Request:
        """The request."""
        ...

    @property
    def visual_tokens(self) -> int:
        """Visual tokens of its photo."""
        ...


@contextmanager
def device_errors(device: object, rows: Callable[[], Sequence[OnDevice]]) -> Iterator[None]:
    """Turns whatever a device raises into our errors; `rows` tells what is on it.

    Raises DeviceOutOfMemory, EngineUnavailable or DeviceFailed.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        each = [row.visual_tokens for row in rows()]
        raise DeviceOutOfMemory(
            f"{len(each)} photos, the largest of {max(each, default=0)} visual tokens, do not fit on {device}; "
            "lower model.max_pixels"
        ) from error
    except torch.AcceleratorError as error:
        # The device's context is broken for good: only a new process gets a working one.
        raise EngineUnavailable(
            f"{device} failed on {_names(rows())}: {error}; run again to go on where this ended"
        ) from error
    except RuntimeError as error:
        # What torch raises for anything else: a shape, a kernel, an allocator of its own.
        raise DeviceFailed(
            f"{device} failed on {_names(rows())}: {type(error).__name__}: {error}; run again to go on where this "
            "ended, and if it fails on the same photos, without them or with --engine.batch-size 1"
        ) from error


def _names(rows: Sequence[OnDevice]) -> str:
    """How many photos, and what the first of them are called."""
    named = ", ".join(row.request.label for row in rows[:_NAMED])
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return f"{len(rows)} photos ({named}{more})" if rows else "no photo"


def pack(items: Iterable[_T], length: Callable[[_T], int], *, most_items: int, most_tokens: int) -> Iterator[list[_T]]:
    """Batches of the items, in their order and drawn as they are needed.

    A batch holds at most `most_items`, and at most `most_tokens` when every row is padded to the longest; an item that
    is longer than `most_tokens` is a batch of its own.
    """
    batch: list[_T] = []
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
