"""Ends a test that hangs. What is quadratic in 200,000 characters takes minutes, what is linear takes seconds."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator
from types import FrameType

LIMIT = 60  # seconds of the processor: far from both, so that a busy machine decides nothing


@contextlib.contextmanager
def no_hang(seconds: float = LIMIT) -> Generator[None]:
    """Raises AssertionError inside the block once it has used `seconds` of the processor. Main thread only."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"still at it after {seconds} seconds of the processor: it hangs")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
