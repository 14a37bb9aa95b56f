"""Tries a server again until a deadline, until nobody wants the answer any more, or until the request is to blame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from tasks.engines.endpoint_client import TryAgain
from tasks.engines.silence import Silence
from tasks.records.errors import EngineError, EngineGivenUp

_T = TypeVar("_T")

_MOST_FAILURES = 3
"""Failures of one request before it is asked whether the request is to blame; answers that cannot be read before the
server is taken for something else than what it should be."""


class RequestFails(Exception):
    """The server fails on this request each time, and answers another one in between; `last` is how."""

    def __init__(self, last: TryAgain) -> None:
        self.last = last
        super().__init__(str(last))


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
    longest_wait: float = 10.0
    stopped: threading.Event = field(default_factory=threading.Event)
    silence: Silence | None = None

    def call(self, operation: Callable[[], _T], answers_others: Callable[[float], bool] | None = None) -> _T:
        """What `operation` returns; it is called again after each TryAgain, the last time at the deadline.

        `answers_others` tells whether the server has answered another request since a moment (`time.monotonic`), or
        does now. It is asked from the third failure on that the request may be to blame for: if the server does, the
        request gets one more attempt. Raises RequestFails if that fails too, EngineGivenUp at the deadline, and
        EngineError after three answers that could not be read.
        """
        if self.silence is None:
            return self._call(operation, answers_others)
        with self.silence.waiting():
            result = self._call(operation, answers_others)
            self.silence.heard()
            return result

    def _call(self, operation: Callable[[], _T], answers_others: Callable[[float], bool] | None) -> _T:
        started = began = time.monotonic()
        backoff = wait_random_exponential(multiplier=self.first_wait, max=self.longest_wait)
        odd = own = 0
        others_answered = False

        def attempt() -> _T:
            nonlocal began
            began = time.monotonic()
            return operation()

        def left() -> float:
            return self.deadline - (time.monotonic() - started)

        def wait(state: RetryCallState) -> float:
            return max(0.0, min(max(backoff(state), _error(state).after or 0.0), left()))

        def enough(state: RetryCallState) -> bool:
            nonlocal odd, own, others_answered
            error = _error(state)
            if self.silence is not None:
                self.silence.failed(str(error))
            odd, own = odd + error.odd, own + error.own
            if self.stopped.is_set() or (others_answered and error.own):
                return True
            if own >= _MOST_FAILURES and answers_others is not None and answers_others(began):
                others_answered = True
                return False
            return odd >= _MOST_FAILURES or left() <= 0

        def give_up(state: RetryCallState) -> _T:
            error = _error(state)
            if others_answered and error.own:
                raise RequestFails(error) from error
            times = "1 attempt" if state.attempt_number == 1 else f"{state.attempt_number} attempts"
            spent = f"{times} in {time.monotonic() - started:.1f} s, the last: {error}"
            if odd >= _MOST_FAILURES:
                raise EngineError(
                    f"{self.url} does not answer as an OpenAI-compatible server does: {spent}; check the URL, which "
                    "ends in /v1 with most servers, and what stands between"
                ) from error
            raise EngineGivenUp(
                f"{self.url} gave no answer: {spent}; check the server, then run again to go on where this ended"
            ) from error

        attempts = Retrying(
            retry=retry_if_exception_type(TryAgain),
            wait=wait,
            stop=enough,
            sleep=lambda seconds: cast(None, self.stopped.wait(seconds)),
            retry_error_callback=give_up,
        )
        return attempts(attempt)


def _error(state: RetryCallState) -> TryAgain:
    assert state.outcome is not None
    return cast(TryAgain, state.outcome.exception())
