"""Requests that enter a batch as others leave it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.parts import EngineConfig
from tasks.engines.protocol import Completion, Decoding, Failure, Request, Result
from tasks.engines.rolling import Rolling, Source
from tasks.records.errors import DeviceOutOfMemory, EngineError, PhotoError
from tasks.records.reasons import Reason
from tests.builders import examples


@dataclass(frozen=True)
class Row:
    request: Request
    tokens: int


class Device:
    """Answers rows after so many steps, and takes so many padded tokens."""

    def __init__(self, steps: dict[str, int], most_tokens: int) -> None:
        self.steps, self.most_tokens = steps, most_tokens
        self.batches: list[list[Row]] = []

    def answer(self, source: Source[Row]) -> Iterator[Result]:
        inside: dict[str, int] = {}
        rows: dict[str, Row] = {}
        while True:
            for row in source(len(inside)):
                inside[row.request.id], rows[row.request.id] = self.steps[row.request.id], row
            if not inside:
                return
            batch = [rows[name] for name in inside]
            self.batches.append(batch)
            if padded(batch) > self.most_tokens:
                raise DeviceOutOfMemory("too much")
            for name in list(inside):
                inside[name] -= 1
                if not inside[name]:
                    del inside[name]
                    yield Completion(name, "", "stop", 1, 1, 1, 1, 1, 1, 1)


def padded(batch: list[Row]) -> int:
    return len(batch) * max(row.tokens for row in batch)


def requests(count: int) -> list[Request]:
    return [Request(str(index), lambda: b"", "s", "u", Decoding(8)) for index in range(count)]


def rolling(lengths: list[int], *, size: int = 4, most: int = 4096, bad: frozenset[int] = frozenset()) -> Rolling[Row]:
    def prepare(request: Request) -> Row | Failure:
        if int(request.id) in bad:
            return Failure(request.id, PhotoError(Reason.EMPTY_FILE, "empty"))
        return Row(request, lengths[int(request.id)])

    config = EngineConfig(batch_size=size, batch_tokens=most)
    return Rolling(config, prepare)


@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(1, 9), st.booleans()), max_size=30),
    st.integers(1, 6),
    st.integers(256, 600),
    st.integers(90, 700),
)
@examples()
def test_every_request_has_one_result_whatever_the_device_holds(
    given_rows: list[tuple[int, int, bool]], size: int, most: int, holds: int
) -> None:
    lengths = [length for length, _, _ in given_rows]
    bad = frozenset(index for index, (_, _, broken) in enumerate(given_rows) if broken)
    device = Device({str(index): steps for index, (_, steps, _) in enumerate(given_rows)}, holds)
    queue = rolling(lengths, size=size, most=most, bad=bad)
    results = list(queue.results(requests(len(lengths)), device.answer))
    assert sorted(int(result.id) for result in results) == list(range(len(lengths)))
    assert {int(result.id) for result in results if isinstance(result, Failure)} == bad
    for batch in device.batches:
        assert len(batch) <= size
        assert len(batch) == 1 or padded(batch) <= most


def test_in_their_order_and_places_are_taken_again() -> None:
    lengths = list(range(12, 0, -1))
    device = Device({str(index): 1 + index % 3 for index in range(12)}, 10_000)
    list(rolling(lengths).results(requests(12), device.answer))
    assert [row.request.id for row in device.batches[0]] == ["0", "1", "2", "3"]
    assert sum(map(len, device.batches)) == sum(1 + index % 3 for index in range(12))
    assert len(device.batches) < 9  # batches that wait for their slowest would take 3 * 3 steps


def test_few_free_places_are_left_until_there_are_more() -> None:
    steps = {str(index): 1 if index < 2 else 50 for index in range(40)}
    device = Device(dict(reversed(steps.items())), 10_000)
    list(rolling([5] * 40, size=16).results(random.Random(0).sample(requests(40), 40), device.answer))
    grown = [
        len(now) - len(before)
        for before, now in zip(device.batches, device.batches[1:], strict=False)
        if len(now) > len(before)
    ]
    assert all(more >= 3 for more in grown)


def test_what_did_not_fit_is_not_tried_again() -> None:
    queue = rolling([10] * 9, size=8)
    device = Device({str(index): 2 for index in range(9)}, 30)
    list(queue.results(requests(9), device.answer))
    sizes = [len(batch) for batch in device.batches]
    assert sizes[:3] == [8, 4, 2]
    assert max(sizes[2:]) == 2
    list(queue.results(requests(9), device.answer))
    assert max(len(batch) for batch in device.batches[len(sizes) :]) == 2


def test_one_that_does_not_fit_alone_is_an_error() -> None:
    with pytest.raises(DeviceOutOfMemory):
        list(rolling([10, 50]).results(requests(2), Device({"0": 1, "1": 1}, 40).answer))


def test_what_preparing_raises_is_raised() -> None:
    def prepare(request: Request) -> Row | Failure:
        raise EngineError("not even the smallest picture fits")

    queue = Rolling(EngineConfig(), prepare)
    with pytest.raises(EngineError, match="smallest"):
        list(queue.results(requests(3), Device({}, 1).answer))
