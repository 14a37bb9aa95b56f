"""Trying again until a deadline: when, how often, with which waits, and what is raised in the end."""

from __future__ import annotations

import logging
import pickle
from dataclasses import dataclass, field
from typing import TypeGuard

import pytest

from blocks.errors import ObjectMissing, StoreDenied, StoreError, StoreGivenUp, StoreUnavailable
from blocks.retrying import Retry, Spent, StoreRetry

URI = "s3://bucket/前缀/a"
AWAY = "the server failed (SlowDown, HTTP 503): bucket 'bucket' at http://127.0.0.1:9000: try again"


@dataclass
class Clock:
    """A clock that only sleeping and working move, in seconds."""

    now: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@dataclass
class Flaky:
    """An operation that takes `seconds`, raises `error` for the first `failures` calls, and keeps when they began."""

    clock: Clock
    failures: float
    error: BaseException = field(default_factory=lambda: StoreUnavailable(AWAY, uri=URI))
    seconds: float = 0.0
    begun: list[float] = field(default_factory=list)

    def __call__(self) -> str:
        self.begun.append(self.clock.now - 1000.0)
        self.clock.now += self.seconds
        if len(self.begun) <= self.failures:
            raise self.error
        return "done"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def retry_of(clock: Clock, deadline: float = 60.0) -> StoreRetry:
    return StoreRetry(Retry(deadline, 0.5, 8.0, clock.sleep, clock), "raise the deadline")


def test_what_works_is_called_once(clock: Clock) -> None:
    work = Flaky(clock, failures=0)
    assert retry_of(clock).call(work) == "done"
    assert (len(work.begun), clock.waits) == (1, [])


def test_waits_are_random_and_grow_to_a_bound(clock: Clock) -> None:
    work = Flaky(clock, failures=9)
    assert retry_of(clock, deadline=1e6).call(work) == "done"
    assert len(clock.waits) == 9
    bounds = [0.5, 1, 2, 4, 8, 8, 8, 8, 8]
    assert all(0 <= wait <= bound for wait, bound in zip(clock.waits, bounds, strict=True))
    assert len(set(clock.waits)) > 1


@pytest.mark.parametrize(
    "error",
    [
        StoreDenied("no", uri=URI),
        ObjectMissing("none", uri=URI),
        StoreGivenUp("in vain", uri=URI),
        ValueError("a bug"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_pass_at_once(clock: Clock, error: BaseException) -> None:
    work = Flaky(clock, failures=9, error=error)
    with pytest.raises(type(error)) as caught:
        retry_of(clock).call(work)
    assert caught.value is error
    assert (len(work.begun), clock.waits) == (1, [])


def test_the_class_says_what_is_worth_another_try(clock: Clock) -> None:
    class Passing(StoreError):
        retryable = True

    assert retry_of(clock).call(Flaky(clock, failures=2, error=Passing("soon", uri=URI))) == "done"


def test_no_attempt_begins_after_the_deadline(clock: Clock) -> None:
    for _ in range(50):
        work = Flaky(clock, failures=float("inf"), seconds=0.1)
        clock.now = 1000.0
        with pytest.raises(StoreGivenUp):
            retry_of(clock, deadline=20).call(work)
        # The whole time that was allowed is used, whatever the dice said.
        assert work.begun[-1] == pytest.approx(20, abs=0.1)
        assert max(work.begun) <= 20 + 1e-9


def test_giving_up_says_everything(clock: Clock) -> None:
    work = Flaky(clock, failures=float("inf"))
    with pytest.raises(StoreGivenUp) as caught:
        retry_of(clock, deadline=20).call(work)
    error = caught.value
    assert str(error) == f"{AWAY}; given up after {len(work.begun)} attempts in 20.0 s: raise the deadline [{URI}]"
    assert (error.uri, error.retryable) == (URI, False)
    assert error.__cause__ is work.error
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_attempt_under_way_is_not_interrupted(clock: Clock) -> None:
    work = Flaky(clock, failures=1, seconds=30)
    with pytest.raises(StoreGivenUp, match=r"1 attempt in 30\.0 s"):
        retry_of(clock, deadline=20).call(work)
    assert retry_of(clock, deadline=20).call(Flaky(clock, failures=0, seconds=30)) == "done"


def test_a_deadline_of_nothing_is_one_attempt(clock: Clock) -> None:
    work = Flaky(clock, failures=1)
    with pytest.raises(StoreGivenUp, match="1 attempt in"):
        retry_of(clock, deadline=0).call(work)
    assert (len(work.begun), clock.waits) == (1, [])


def test_each_call_has_the_whole_deadline(clock: Clock) -> None:
    retry = retry_of(clock, deadline=5)
    for _ in range(4):
        assert retry.call(Flaky(clock, failures=1, seconds=2)) == "done"
    assert clock.now > 1000 + 5


def test_a_long_wait_is_not_silent(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records]

    with caplog.at_level(logging.WARNING, "blocks.retrying"):
        retry_of(clock).call(Flaky(clock, failures=2))
        assert lines() == []
        retry_of(clock).call(Flaky(clock, failures=4))
    assert [line.partition(",")[0] for line in lines()] == ["attempt 3 failed", "attempt 4 failed"]
    assert all(AWAY in line and URI in line for line in lines())


def test_the_real_clock() -> None:
    clock = Clock()
    assert StoreRetry(Retry(5, first_wait=0.001)).call(Flaky(clock, failures=3)) == "done"


def test_one_who_retries_is_heard_before_the_deadline(clock: Clock) -> None:
    """`ended`: True ends it at once, False grants one more attempt whatever the deadline."""

    def passing(error: BaseException) -> TypeGuard[ValueError]:
        return isinstance(error, ValueError)

    def given_up(error: ValueError, spent: Spent) -> RuntimeError:
        return RuntimeError(f"{error}, {spent.attempts}")

    def attempts(verdicts: list[bool], deadline: float) -> int:
        work, left = Flaky(clock, failures=99, error=ValueError("no")), iter(verdicts)
        with pytest.raises(RuntimeError, match=f"no, {len(verdicts)}"):
            retry_of(clock, deadline).retry.call(work, passing, given_up, ended=lambda _: next(left))
        return len(work.begun)

    assert attempts([True], deadline=60) == 1
    assert attempts([False, False, True], deadline=0) == 3


def test_a_server_that_asks_for_a_longer_wait_gets_it_up_to_the_deadline(clock: Clock) -> None:
    def passing(error: BaseException) -> TypeGuard[ValueError]:
        return isinstance(error, ValueError)

    work = Flaky(clock, failures=99, error=ValueError("no"))
    with pytest.raises(RuntimeError, match=r"3 attempts in 20\.0 s"):
        retry_of(clock, 20).retry.call(
            work, passing, lambda _, spent: RuntimeError(str(spent)), at_least=lambda _: 15.0
        )
    assert clock.waits == [15.0, 5.0]
