"""Tests of work done ahead: in order, bounded, and failing in its place."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.common.prefetch import prefetch


def test_results_come_in_order_whatever_is_done_first() -> None:
    released = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            released.wait(5)
        if number == 2:
            released.set()
        return number * 10

    with ThreadPoolExecutor(3) as pool:
        assert list(prefetch(pool, work, range(6), depth=3)) == [0, 10, 20, 30, 40, 50]


def test_no_more_than_depth_items_are_taken_ahead_of_the_consumer() -> None:
    taken: list[int] = []

    def items() -> list[int]:
        for number in range(100):
            taken.append(number)
            yield number  # type: ignore[misc]

    with ThreadPoolExecutor(2) as pool:
        results = prefetch(pool, lambda number: number, items(), depth=4)
        assert next(results) == 0
        assert len(taken) == 5
        assert next(results) == 1
        assert len(taken) == 6
        results.close()  # type: ignore[attr-defined]


def test_an_error_is_raised_in_its_place_and_the_rest_is_dropped() -> None:
    done: list[int] = []

    def work(number: int) -> int:
        if number == 1:
            raise ValueError("number one")
        done.append(number)
        return number

    with ThreadPoolExecutor(1) as pool:
        results = prefetch(pool, work, range(50), depth=2)
        assert next(results) == 0
        with pytest.raises(ValueError, match="number one"):
            next(results)
    assert len(done) < 10
