"""Tests of counting and hearing progress."""

from __future__ import annotations

import threading
import time

import pytest

from tasks.common.progress import Progress, Tick, in_background, listening, throttled


def test_everybody_who_listens_hears_every_tick() -> None:
    outer: list[int] = []
    inner: list[int] = []
    progress = Progress(total=3)
    with listening(lambda tick: outer.append(tick.done)):
        progress.advance()
        with listening(lambda tick: inner.append(tick.done)):
            progress.advance()
        progress.advance()
    progress.advance()
    assert outer == [1, 2, 3]
    assert inner == [2]


def test_a_listener_is_forgotten_even_when_the_work_fails() -> None:
    heard: list[Tick] = []
    with pytest.raises(RuntimeError), listening(heard.append):
        raise RuntimeError
    Progress(total=1).advance()
    assert heard == []


def test_a_throttled_listener_hears_the_first_and_the_last() -> None:
    heard: list[int] = []
    hear = throttled(lambda tick: heard.append(tick.done), seconds=3600)
    for done in range(1, 6):
        hear(Tick(done, 5, 1.0))
    assert heard == [1, 5]


def test_a_run_has_no_rate_before_its_clock_is_started() -> None:
    progress = Progress(5)
    progress.advance(2)
    assert progress.rate == 0.0
    progress.start()
    time.sleep(0.01)
    assert 0 < progress.rate <= 200


def test_the_rate_of_no_time_is_zero() -> None:
    assert Tick(0, 5, 0.0).rate == 0.0
    assert Tick(4, 5, 2.0).rate == 2.0


def test_whoever_works_does_not_wait_for_a_listener_in_the_background() -> None:
    heard: list[Tick] = []
    may_go_on = threading.Event()

    def slow(tick: Tick) -> None:
        heard.append(tick)
        may_go_on.wait(10)

    with in_background(slow) as hear:
        for done in range(1, 51):
            hear(Tick(done, 50, 1.0))
        assert len(heard) <= 1, "the listener is still busy with the first one"
        may_go_on.set()
    # The last one is always heard, and those between are not owed.
    assert heard[-1] == Tick(50, 50, 1.0)
    assert len(heard) <= 3


def test_a_listener_that_hangs_is_left_behind() -> None:
    hangs = threading.Event()
    began = time.monotonic()
    with in_background(lambda tick: hangs.wait(60) and None, patience=0.1) as hear:
        hear(Tick(1, 1, 0.0))
    assert time.monotonic() - began < 10
    hangs.set()


def test_a_piece_that_fails_takes_back_its_own_photos_alone() -> None:
    heard: list[int] = []
    with listening(lambda tick: heard.append(tick.done)):
        progress = Progress(10)
        first, second = progress.attempt(), progress.attempt()
        first.advance(2)
        second.advance(3)
        first.take_back()
        first.take_back()
        first.advance()
    assert heard == [2, 5, 3, 4]
    assert (progress.done, first.done, second.done) == (4, 1, 3)
