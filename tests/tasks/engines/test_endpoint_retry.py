"""Trying a server again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tasks.engines.endpoint_client import TryAgain
from tasks.engines.endpoint_retry import EndpointRetry, RequestFails
from tasks.records.errors import EngineError, EngineGivenUp


def failing(times: int, **how: object) -> tuple[Callable[[], str], list[float]]:
    at: list[float] = []

    def operation() -> str:
        at.append(time.monotonic())
        if len(at) <= times:
            raise TryAgain("busy", **how)  # type: ignore[arg-type]
        return "done"

    return operation, at


def retry(deadline: float, **settings: object) -> EndpointRetry:
    return EndpointRetry("http://gpu/v1", deadline, first_wait=0.01, longest_wait=0.05, **settings)  # type: ignore[arg-type]


def test_it_goes_on_until_it_works() -> None:
    operation, at = failing(5)
    assert retry(30).call(operation) == "done"
    assert len(at) == 6


def test_other_errors_pass_at_once() -> None:
    def operation() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        retry(30).call(operation)


def test_the_last_try_is_at_the_deadline_and_a_longer_wait_is_cut_short() -> None:
    operation, at = failing(99, after=60.0)
    began = time.monotonic()
    with pytest.raises(EngineGivenUp, match=r"http://gpu/v1 gave no answer: 2 attempts in 0\.\d s, the last: busy"):
        retry(0.3).call(operation)
    assert at[-1] - began >= 0.29


def test_a_deadline_of_nothing_is_one_try() -> None:
    operation, at = failing(99)
    with pytest.raises(EngineGivenUp, match="1 attempt in"):
        retry(0).call(operation)
    assert len(at) == 1


def test_three_odd_answers_are_enough() -> None:
    operation, at = failing(99, unexpected=True)
    with pytest.raises(EngineError, match="does not answer as an OpenAI-compatible server does: 3 attempts"):
        retry(30).call(operation)
    assert len(at) == 3


def test_nobody_waits_once_it_is_stopped() -> None:
    stopped = threading.Event()
    operation, at = failing(99, after=20.0)
    threading.Timer(0.1, stopped.set).start()
    began = time.monotonic()
    with pytest.raises(EngineGivenUp):
        retry(30, stopped=stopped).call(operation)
    assert time.monotonic() - began < 5
    assert len(at) <= 2


def test_a_request_that_fails_while_others_are_answered_is_to_blame() -> None:
    operation, at = failing(99, own=True)
    asked: list[float] = []
    with pytest.raises(RequestFails, match="busy"):
        retry(30).call(operation, lambda since: not asked.append(since))
    assert (len(at), len(asked)) == (4, 1)
    assert at[1] < asked[0] <= at[2]  # answers since the third attempt began


def test_a_request_that_fails_while_nobody_is_answered_is_not() -> None:
    operation, at = failing(8, own=True)
    assert retry(30).call(operation, lambda since: False) == "done"
    assert len(at) == 9


def test_a_busy_server_is_never_the_requests_fault() -> None:
    operation, at = failing(8)
    assert retry(30).call(operation, lambda since: True) == "done"
    assert len(at) == 9


def test_a_request_whose_last_attempt_works_is_answered() -> None:
    operation, at = failing(3, own=True)
    assert retry(30).call(operation, lambda since: True) == "done"
    assert len(at) == 4


def test_an_answer_that_cannot_be_read_is_the_requests_fault_if_others_are_read() -> None:
    operation, at = failing(99, unexpected=True)
    with pytest.raises(RequestFails):
        retry(30).call(operation, lambda since: True)
    assert len(at) == 4
