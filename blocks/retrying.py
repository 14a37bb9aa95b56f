"""Tries one operation again until a deadline: what stores and model servers share, and the rules of stores.

What is retried, what ends it early and what is raised in the end is the caller's; `StoreRetry` is the stores' answer,
`tasks/engines/endpoint_retry.py` the one of model servers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard, TypeVar, cast

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from blocks.errors import StoreError, StoreGivenUp

_LOUD_FROM = 3  # failed attempts: one or two in a row are the weather of any network
_T = TypeVar("_T")
_E = TypeVar("_E", bound=BaseException)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent on an operation so far: attempts, and seconds since the first one began."""

    attempts: int
    seconds: float

    def __str__(self) -> str:
        times = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        return f"{times} in {self.seconds:.1f} s"


def _any_wait(error: BaseException) -> float:
    return 0.0


def _deadline_decides(error: BaseException) -> bool | None:
    return None


def _silently(error: BaseException, attempt: int, wait: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Retry:
    """How long and how patiently to try: `deadline`, `first_wait` and `longest_wait` are seconds.

    The waits between attempts are random, up to a bound that starts at `first_wait`, doubles, and ends at
    `longest_wait`, so that many callers do not come back at once. A deadline of 0 means one attempt. Threads may share
    a Retry.
    """

    deadline: float
    first_wait: float = 0.5
    longest_wait: float = 30.0
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def call(
        self,
        operation: Callable[[], _T],
        retryable: Callable[[BaseException], TypeGuard[_E]],
        give_up: Callable[[_E, Spent], Exception],
        *,
        at_least: Callable[[_E], float] = _any_wait,
        ended: Callable[[_E], bool | None] = _deadline_decides,
        before_wait: Callable[[_E, int, float], None] = _silently,
    ) -> _T:
        """What `operation` returns. It is called again after each error that is `retryable`.

        No attempt begins later than `deadline` seconds after the first one began, and the last one begins then; one
        that is under way is not interrupted. `at_least` gives the seconds to wait at least after an error. `ended`
        hears of each error: True ends it, False grants one more attempt whatever the deadline, None leaves it to the
        deadline. `before_wait` is told the error, how many attempts failed, and the seconds until the next one.

        Raises what `give_up` makes of the last error, from that error; any other error passes unchanged and at once.
        """
        started = self.clock()
        backoff = wait_random_exponential(multiplier=self.first_wait, max=self.longest_wait)

        def left() -> float:
            return self.deadline - (self.clock() - started)

        def wait(state: RetryCallState) -> float:
            # A wait is cut short at the deadline, so that an outage is sat out for as long as was allowed.
            return max(0.0, min(max(backoff(state), at_least(error(state))), left()))

        def stop(state: RetryCallState) -> bool:
            verdict = ended(error(state))
            return left() <= 0 if verdict is None else verdict

        def error(state: RetryCallState) -> _E:
            assert state.outcome is not None
            return cast(_E, state.outcome.exception())

        def end(state: RetryCallState) -> _T:
            last = error(state)
            raise give_up(last, Spent(state.attempt_number, self.clock() - started)) from last

        attempts = Retrying(
            retry=retry_if_exception(retryable),
            wait=wait,
            stop=stop,
            sleep=cast(Callable[[float], None], self.sleep),
            before_sleep=lambda state: before_wait(error(state), state.attempt_number, state.upcoming_sleep),
            retry_error_callback=end,
        )
        return attempts(operation)


@dataclass(frozen=True, slots=True)
class StoreRetry:
    """Tries again while a store is away; `cure` is what a person can do about it. Threads may share one."""

    retry: Retry
    cure: str = "check the server"

    def call(self, operation: Callable[[], _T]) -> _T:
        """What `operation` returns. It is called again after each store error whose class is retryable.

        Raises StoreGivenUp, from the last error, at the deadline.
        """
        return self.retry.call(operation, _is_passing, self._given_up, before_wait=_tell)

    def _given_up(self, error: StoreError, spent: Spent) -> StoreGivenUp:
        return StoreGivenUp(f"{error.message}; given up after {spent}: {self.cure}", uri=error.uri)


def _is_passing(error: BaseException) -> TypeGuard[StoreError]:
    return isinstance(error, StoreError) and error.retryable


def _tell(error: StoreError, attempt: int, wait: float) -> None:
    # A run that waits for minutes without a word looks like one that hangs.
    if attempt >= _LOUD_FROM:
        _log.warning("attempt %d failed, the next one in %.1f s: %s", attempt, wait, error)
