"""Batches by length, and batches through a device. What happens when one does not fit is tested through the engines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from configs.parts import EngineConfig
from tasks.engines.photos import Shown
from tasks.engines.preparing import Ready
from tasks.engines.protocol import Completion, Decoding, Failure, Request, Result
from tasks.engines.static_batches import Batches, device_errors, pack
from tasks.records.errors import DeviceFailed, DeviceOutOfMemory, EngineUnavailable, PhotoError
from tasks.records.reasons import Reason
from tests.builders import examples

lengths = st.lists(st.integers(1, 500), max_size=60)


@given(lengths, st.integers(1, 9), st.integers(1, 2000))
@examples()
def test_items_keep_their_order_and_no_batch_is_over_budget(sizes: list[int], items: int, tokens: int) -> None:
    batches = list(pack(range(len(sizes)), sizes.__getitem__, most_items=items, most_tokens=tokens))
    assert [index for batch in batches for index in batch] == list(range(len(sizes)))
    for batch, after in zip_longest(batches, batches[1:], fillvalue=[]):
        assert batch
        assert len(batch) <= items
        assert padded(batch, sizes) <= tokens or len(batch) == 1
        if after:  # and none is smaller than it has to be
            assert len(batch) == items or padded([*batch, after[0]], sizes) > tokens


def padded(batch: list[int], sizes: list[int]) -> int:
    return max(sizes[index] for index in batch) * len(batch)


def test_a_full_batch_is_given_before_more_is_drawn() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(4):
            drawn.append(number)
            yield number

    assert next(pack(items(), lambda _: 1, most_items=2, most_tokens=100)) == [0, 1]
    assert drawn == [0, 1]


def test_an_item_over_the_budget_is_alone() -> None:
    assert list(pack([500, 5], lambda tokens: tokens, most_items=8, most_tokens=100)) == [[500], [5]]


@dataclass(frozen=True)
class Row:
    request: Request
    tokens: int


def requests(count: int) -> list[Request]:
    return [Request(str(index), lambda: b"", "s", "u", Decoding(8)) for index in range(count)]


def run(batches: Batches[Row], count: int, most_items: int | None = None) -> list[str]:
    return [result.id for result in batches.results(reversed(requests(count)), most_items)]


def batches(sizes: list[int], *, bad: str = "") -> Batches[Row]:
    def prepare(request: Request) -> Row | Failure:
        if request.id == bad:
            return Failure(request.id, PhotoError(Reason.EMPTY_FILE, "empty"))
        return Row(request, int(request.id) + 1)

    def forward(rows: list[Row]) -> list[Result]:
        sizes.append(len(rows))
        return [Completion(row.request.id, "", "stop", 1, 1, 1, 1, 1, 1, 1) for row in rows]

    return Batches(EngineConfig(batch_size=4), lambda request: int(request.id) + 1, prepare, forward)


def test_in_batches_and_in_order() -> None:
    sizes: list[int] = []
    assert run(batches(sizes), 10) == [str(index) for index in reversed(range(10))]
    assert sizes == [4, 4, 2]
    sizes.clear()
    run(batches(sizes), 10, most_items=1)
    assert sizes == [1] * 10
    assert run(batches(sizes), 0) == []


def test_a_bad_photo_leaves_its_batch() -> None:
    sizes: list[int] = []
    assert sorted(run(batches(sizes, bad="9"), 10)) == [str(index) for index in range(10)]
    assert sizes == [3, 4, 2]


def on_device(*visual_tokens: int) -> list[Ready]:
    picture = torch.zeros(3, 32, 32, dtype=torch.uint8)
    asked = [replace(request, name=f"group/img{request.id}.jpg") for request in requests(len(visual_tokens))]
    shown = [Shown(picture, count, 32, 32, None) for count in visual_tokens]
    return [Ready(request, one, 100) for request, one in zip(asked, shown, strict=True)]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("out of memory"), MemoryError()])
def test_a_device_without_memory_is_told_with_the_largest_photo(error: Exception) -> None:
    words = "3 photos, the largest of 64 visual tokens, do not fit on cpu"
    with pytest.raises(DeviceOutOfMemory, match=words), device_errors("cpu", lambda: on_device(9, 64, 6)):
        raise error


def test_a_device_that_broke_for_good_asks_for_a_new_run() -> None:
    with (
        pytest.raises(EngineUnavailable, match=r"cpu failed on 1 photos \(group/img0\.jpg\): .*; run again"),
        device_errors("cpu", lambda: on_device(4)),
    ):
        raise torch.AcceleratorError("an illegal memory access was encountered")


@pytest.mark.parametrize("kind", [RuntimeError, NotImplementedError])
def test_whatever_torch_raises_names_the_photos_and_can_be_tried_again(kind: type[RuntimeError]) -> None:
    names = r"10 photos \(group/img0\.jpg, .*, group/img7\.jpg and 2 more\)"
    with (
        pytest.raises(DeviceFailed, match=rf"cpu failed on {names}: {kind.__name__}: size 128 against 129") as caught,
        device_errors("cpu", lambda: on_device(*[4] * 10)),
    ):
        raise kind("size 128 against 129")
    assert caught.value.retryable


def test_what_is_no_devices_error_passes() -> None:
    with pytest.raises(ValueError, match="mine"), device_errors("cpu", list):
        raise ValueError("mine")
