"""Batches through a device. What happens when one does not fit is tested through the engines."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from configs.parts import EngineConfig
from tasks.engines.protocol import Completion, Decoding, Failure, Request, Result
from tasks.engines.running import Batches, device_errors
from tasks.records.errors import DeviceOutOfMemory, EngineUnavailable, PhotoError
from tasks.records.reasons import Reason


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


def test_the_devices_errors_are_ours() -> None:
    words = "3 photos, the largest of 64 visual tokens, do not fit on cpu"
    with pytest.raises(DeviceOutOfMemory, match=words), device_errors("cpu", lambda: [9, 64, 6]):
        raise torch.OutOfMemoryError("out of memory")
    with pytest.raises(EngineUnavailable, match="cpu failed"), device_errors("cpu", list):
        raise torch.AcceleratorError("an illegal memory access was encountered")
    with pytest.raises(ValueError, match="mine"), device_errors("cpu", list):
        raise ValueError("mine")
