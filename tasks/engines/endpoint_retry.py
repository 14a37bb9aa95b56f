"""Tries a server again until a deadline, until nobody wants the answer any more, or until the request is to blame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeGuard, TypeVar

from blocks.retrying import Retry, Spent
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
class EndpointRetry:
    """How long and how patiently to ask `url`; `deadline`, `first_wait` and `longest_wait` are seconds, see `Retry`.

    A wait is never shorter than what the server asks for. Once `stopped` is set, nothing is tried again. Threads may
    share an EndpointRetry.
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
        retry = Retry(self.deadline, self.first_wait, self.longest_wait, sleep=self.stopped.wait)
        failures = _Failures(self, answers_others)

        def attempt() -> _T:
            failures.began = time.monotonic()
            return operation()

        return retry.call(
            attempt, _may_pass, failures.error, at_least=lambda error: error.after or 0.0, ended=failures.ended
        )


@dataclass(slots=True)
class _Failures:
    """What went wrong with one request so far.

    `unexpected` counts answers that could not be read, `own` the failures that the request may be to blame for;
    `began` is when the last attempt did; `others_answered` whether the server answered other requests meanwhile.
    """

    retry: EndpointRetry
    answers_others: Callable[[float], bool] | None
    began: float = 0.0
    unexpected: int = 0
    own: int = 0
    others_answered: bool = False

    def ended(self, error: TryAgain) -> bool | None:
        """Whether that was the last attempt: see `Retry.call`."""
        if self.retry.silence is not None:
            self.retry.silence.failed(str(error))
        self.unexpected, self.own = self.unexpected + error.unexpected, self.own + error.own
        if self.retry.stopped.is_set() or (self.others_answered and error.own):
            return True
        if self.own >= _MOST_FAILURES and self.answers_others is not None and self.answers_others(self.began):
            self.others_answered = True
            return False
        return True if self.unexpected >= _MOST_FAILURES else None

    def error(self, last: TryAgain, spent: Spent) -> Exception:
        """What is raised once nothing is tried again."""
        if self.others_answered and last.own:
            return RequestFails(last)
        how = f"{spent}, the last: {last}"
        if self.unexpected >= _MOST_FAILURES:
            return EngineError(
                f"{self.retry.url} does not answer as an OpenAI-compatible server does: {how}; check the URL, which "
                "ends in /v1 with most servers, and what stands between"
            )
        return EngineGivenUp(
            f"{self.retry.url} gave no answer: {how}; check the server, then run again to go on where this ended"
        )


def _may_pass(error: BaseException) -> TypeGuard[TryAgain]:
    return isinstance(error, TryAgain)
