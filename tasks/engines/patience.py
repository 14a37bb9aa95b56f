"""Tries a server again until a deadline, or until nobody wants the answer any more. Knows no request."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from tasks.engines.endpoint_client import TryAgain
from tasks.records.errors import EngineError, EngineUnavailable

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

_LOUD_FROM = 3
"""Failed attempts of one request from which they are logged: one or two in a row are the weather of any network."""

_MOST_ODD = 3
"""Answers that cannot be read before a server is taken for something else than what it should be."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how patiently to ask `url`; `deadline`, `first_wait` and `longest_wait` are seconds.

    The waits are random, up to a bound that starts at `first_wait`, doubles, and ends at `longest_wait`, so that many
    requests do not come back at once; never shorter than what the server asks for. Once `stopped` is set, nothing is
    tried again. Threads may share a Patience.
    """

    url: str
    deadline: float
    first_wait: float = 0.5
    longest_wait: float = 30.0
    stopped: threading.Event = field(default_factory=threading.Event)

    def call(self, operation: Callable[[], _T]) -> _T:
        """What `operation` returns; it is called again after each TryAgain, the last time at the deadline.

        Raises EngineUnavailable then, and EngineError after three answers that could not be read.
        """
        started = time.monotonic()
        backoff = wait_random_exponential(multiplier=self.first_wait, max=self.longest_wait)
        odd = 0

        def left() -> float:
            return self.deadline - (time.monotonic() - started)

        def wait(state: RetryCallState) -> float:
            return max(0.0, min(max(backoff(state), _error(state).after or 0.0), left()))

        def enough(state: RetryCallState) -> bool:
            nonlocal odd
            odd += _error(state).odd
            return self.stopped.is_set() or odd >= _MOST_ODD or left() <= 0

        def give_up(state: RetryCallState) -> _T:
            error = _error(state)
            times = "1 attempt" if state.attempt_number == 1 else f"{state.attempt_number} attempts"
            spent = f"{times} in {time.monotonic() - started:.1f} s, the last: {error}"
            if odd >= _MOST_ODD:
                raise EngineError(
                    f"{self.url} does not answer as an OpenAI-compatible server does: {spent}; check the URL and what "
                    "stands between"
                ) from error
            raise EngineUnavailable(
                f"{self.url} gave no answer: {spent}; check the server, then run again to go on where this ended"
            ) from error

        attempts = Retrying(
            retry=retry_if_exception_type(TryAgain),
            wait=wait,
            stop=enough,
            sleep=lambda seconds: cast(None, self.stopped.wait(seconds)),
            before_sleep=self._tell,
            retry_error_callback=give_up,
        )
        return attempts(operation)

    def _tell(self, state: RetryCallState) -> None:
        if state.attempt_number >= _LOUD_FROM:
            wait = state.upcoming_sleep
            _log.warning(
                "%s: attempt %d failed, the next one in %.1f s: %s", self.url, state.attempt_number, wait, _error(state)
            )


def _error(state: RetryCallState) -> TryAgain:
    assert state.outcome is not None
    return cast(TryAgain, state.outcome.exception())
