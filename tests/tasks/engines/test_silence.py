"""A server that does not answer is told of, once an interval."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest

from tasks.engines.silence import Silence

URL = "http://gpu/v1"


def until(found: Callable[[], bool]) -> None:
    """Wait for it, for as long as a loaded machine may need."""
    stop = time.monotonic() + 30
    while not found():
        assert time.monotonic() < stop
        time.sleep(0.01)


def test_silence_is_told_with_url_seconds_and_why_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    silence = Silence(URL, interval=0.05)
    with silence.waiting(), silence.waiting():
        silence.failed("ConnectError: refused")
        until(lambda: len(caplog.messages) >= 2)
        silence.heard()
    silence.close()
    assert (
        caplog.messages[0]
        == f"{URL}: no answer for 0 s, 2 requests wait for it; the last attempt: ConnectError: refused"
    )
    assert f"{URL} answers again, after" in caplog.messages[-1]


def test_nobody_who_waits_is_no_silence(caplog: pytest.LogCaptureFixture) -> None:
    silence = Silence(URL, interval=0.02)
    with silence.waiting():
        until(lambda: bool(caplog.messages))
    told = len(caplog.messages)
    done = threading.Event()
    done.wait(0.2)
    silence.close()
    assert len(caplog.messages) <= told + 1


def test_a_server_that_answers_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    silence = Silence(URL, interval=60)
    for _ in range(3):
        with silence.waiting():
            silence.heard()
    silence.close()
    assert not caplog.messages
