"""Requests that enter a batch as others leave it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.parts import EngineConfig
from tasks.engines.continuous_batching import ContinuousBatching, Source
from tasks.engines.prompting import PromptIds
from tasks.engines.protocol import Decoding, Failure, Request
from tasks.engines.sequence import Sequence, Status
from tasks.records.errors import DeviceOutOfMemory, EngineError, PhotoError
from tasks.records.reasons import Reason
from tests.builders import examples


class Device:
    """Answers rows after so many steps, and takes so many padded tokens."""

    def __init__(self, steps: dict[str, int], most_tokens: int) -> None:
        self.steps, self.most_tokens = steps, most_tokens
        self.batches: list[list[Sequence]] = []

    def run(self, source: Source) -> Iterator[Sequence]:
        left: dict[str, int] = {}
        rows: dict[str, Sequence] = {}
        while True:
            for row in source(len(left)):
                assert row.status is Status.WAITING
                row.enter()
                left[row.request.id], rows[row.request.id] = self.steps[row.request.id], row
            if not left:
                return
            batch = [rows[name] for name in left]
            self.batches.append(batch)
            if padded(batch) > self.most_tokens:
                raise DeviceOutOfMemory("too much")
            for name in list(left):
                left[name] -= 1
                if not left[name]:
                    del left[name]
                    rows[name].finish("stop")
                    yield rows[name]


def padded(batch: list[Sequence]) -> int:
    return len(batch) * max(row.tokens for row in batch)


def requests(count: int) -> list[Request]:
    return [Request(str(index), lambda: b"", "s", "u", Decoding(8)) for index in range(count)]


def batching(
    lengths: list[int], *, size: int = 4, most: int = 4096, bad: frozenset[int] = frozenset()
) -> ContinuousBatching:
    def prepare(request: Request) -> Sequence | Failure:
        if int(request.id) in bad:
            return Failure(request.id, PhotoError(Reason.EMPTY_FILE, "empty"))
        return Sequence(request, PromptIds((0,), (0,) * (lengths[int(request.id)] - 1)))

    config = EngineConfig(batch_size=size, batch_tokens=most)
    return ContinuousBatching(config, prepare)


@given(
    st.lists(st.tuples(st.integers(2, 90), st.integers(1, 9), st.booleans()), max_size=30),
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
    queue = batching(lengths, size=size, most=most, bad=bad)
    results = list(queue.results(requests(len(lengths)), device.run))
    ids = [int(one.id if isinstance(one, Failure) else one.request.id) for one in results]
    assert sorted(ids) == list(range(len(lengths)))
    assert {int(result.id) for result in results if isinstance(result, Failure)} == bad
    for batch in device.batches:
        assert len(batch) <= size
        assert len(batch) == 1 or padded(batch) <= most


def test_in_their_order_and_places_are_taken_again() -> None:
    lengths = list(range(12, 0, -1))
    device = Device({str(index): 1 + index % 3 for index in range(12)}, 10_000)
    list(batching(lengths).results(requests(12), device.run))
    assert [row.request.id for row in device.batches[0]] == ["0", "1", "2", "3"]
    assert sum(map(len, device.batches)) == sum(1 + index % 3 for index in range(12))
    assert len(device.batches) < 9  # batches that wait for their slowest would take 3 * 3 steps


def test_few_free_places_are_left_until_there_are_more() -> None:
    steps = {str(index): 1 if index < 2 else 50 for index in range(40)}
    device = Device(dict(reversed(steps.items())), 10_000)
    list(batching([5] * 40, size=16).results(random.Random(0).sample(requests(40), 40), device.run))
    grown = [
        len(now) - len(before)
        for before, now in zip(device.batches, device.batches[1:], strict=False)
        if len(now) > len(before)
    ]
    assert all(more >= 3 for more in grown)


def test_what_did_not_fit_is_not_tried_again() -> None:
    queue = batching([10] * 9, size=8)
    device = Device({str(index): 2 for index in range(9)}, 30)
    list(queue.results(requests(9), device.run))
    sizes = [len(batch) for batch in device.batches]
    assert sizes[:3] == [8, 4, 2]
    assert max(sizes[2:]) == 2
    list(queue.results(requests(9), device.run))
    assert max(len(batch) for batch in device.batches[len(sizes) :]) == 2


def test_one_that_does_not_fit_alone_is_an_error() -> None:
    with pytest.raises(DeviceOutOfMemory):
        list(batching([10, 50]).results(requests(2), Device({"0": 1, "1": 1}, 40).run))


def test_what_preparing_raises_is_raised() -> None:
    def prepare(request: Request) -> Sequence | Failure:
        raise EngineError("not even the smallest picture fits")

    queue = ContinuousBatching(EngineConfig(), prepare)
    with pytest.raises(EngineError, match="smallest"):
        list(queue.results(requests(3), Device({}, 1).run))
