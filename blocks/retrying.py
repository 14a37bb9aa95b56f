"""Tries one operation again while the store is away, until a deadline. Knows neither S3 nor keys."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from blocks.errors import StoreError, StoreGivenUp

_LOUD_FROM = 3  # failed attempts: one or two in a row are the weather of any network
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retry:
    """How long and how patiently to try: `deadline`, `first_wait` and `longest_wait` are seconds, `cure` is advice.

    The waits between attempts are random, up to a bound that starts at `first_wait`, doubles, and ends at
    `longest_wait`, so that many tasks do not come back at once. A deadline of 0 means one attempt. Threads may share a
    Retry.
    """

    deadline: float
    cure: str = "check the server"
    first_wait: float = 0.5
    longest_wait: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def call(self, operation: Callable[[], _T]) -> _T:
        """What `operation` returns. It is called again after each store error whose class is retryable.

        No attempt begins later than `deadline` seconds after the first one began; one that is under way is not
        interrupted. Raises StoreGivenUp, from the last error, then; any other error passes unchanged and at once.
        """
        started = self.clock()
        backoff = wait_random_exponential(multiplier=self.first_wait, max=self.longest_wait)

        def left() -> float:
            return self.deadline - (self.clock() - started)

        def give_up(state: RetryCallState) -> _T:
            error = _error_of(state)
            times = "1 attempt" if state.attempt_number == 1 else f"{state.attempt_number} attempts"
            spent = f"given up after {times} in {self.clock() - started:.1f} s"
            raise StoreGivenUp(f"{error.message}; {spent}: {self.cure}", uri=error.uri) from error

        # A wait is cut short at the deadline, so that an outage is sat out for as long as was allowed.
        attempts = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, StoreError) and error.retryable),
            wait=lambda state: max(0.0, min(backoff(state), left())),
            stop=lambda _: left() <= 0,
            sleep=self.sleep,
            before_sleep=_tell,
            retry_error_callback=give_up,
        )
        return attempts(operation)


def _error_of(state: RetryCallState) -> StoreError:
    assert state.outcome is not None
    return cast(StoreError, state.outcome.exception())


def _tell(state: RetryCallState) -> None:
    # A run that waits for minutes without a word looks like one that hangs.
    if state.attempt_number >= _LOUD_FROM:
        wait = state.upcoming_sleep
        _log.warning("attempt %d failed, the next one in %.1f s: %s", state.attempt_number, wait, _error_of(state))
