"""Tests of the pixels that are decoded at a time: never too many, in turn, and a large photo alone."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.parts import InputConfig
from tasks.images.budget import PIXELS, PixelBudget
from tasks.images.open import decode
from tests.builders import examples, make_photo_bytes

MOST = 100


@given(pixels=st.lists(st.integers(1, 150), min_size=1, max_size=30))
@examples(20)
def test_no_more_are_in_flight_than_may_be_and_all_get_in(pixels: list[int]) -> None:
    budget, lock = PixelBudget(), threading.Lock()
    inside: list[int] = []
    done: list[int] = []

    def read(one: int) -> None:
        with budget.hold(one, MOST):
            with lock:
                inside.append(one)
                assert sum(inside) <= MOST or inside == [one]
            time.sleep(0.0003)
            with lock:
                inside.remove(one)
                done.append(one)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, pixels))
    assert sorted(done) == sorted(pixels)


def test_a_large_photo_is_not_overtaken_by_small_ones() -> None:
    budget, order = PixelBudget(), list[str]()

    def read(name: str, pixels: int) -> None:
        with budget.hold(pixels, MOST):
            order.append(name)

    with budget.hold(50, MOST):
        threads = [threading.Thread(target=read, args=told) for told in (("large", 100), ("small", 10))]
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == ["large", "small"]


def test_who_fails_gives_back_what_it_held() -> None:
    budget = PixelBudget()
    with pytest.raises(ValueError, match="bad photo"), budget.hold(MOST, MOST):
        raise ValueError("bad photo")
    with budget.hold(MOST, MOST):
        pass


def test_photos_that_are_decoded_hold_their_pixels() -> None:
    most = InputConfig().max_decode_pixels
    with ThreadPoolExecutor(1) as pool:
        with PIXELS.hold(most, most):
            decoded = pool.submit(decode, make_photo_bytes(size=(64, 48)), InputConfig())
            time.sleep(0.3)
            assert not decoded.done()
        assert decoded.result(timeout=10).size == (64, 48)
