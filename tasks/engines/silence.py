"""Says so when a server that somebody waits for has not answered for some time. Knows no request."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)

INTERVAL = 15.0
"""Seconds without an answer after which a line is logged, and then another."""


class Silence:
    """Watches one server from a thread of its own. Threads may share it."""

    def __init__(self, url: str, interval: float | None = None) -> None:
        self._url = url
        self._interval = INTERVAL if interval is None else interval
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._watching = False
        self._waiting = 0
        self._since = self._told = time.monotonic()
        self._failure = ""

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around the wait for one answer, all attempts included."""
        with self._lock:
            if not self._waiting:
                self._since = self._told = time.monotonic()
                self._failure = ""
            self._waiting += 1
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="watch-server", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def heard(self) -> None:
        """The server has answered, or sent a piece of an answer."""
        now = time.monotonic()
        with self._lock:
            silent, was_told = now - self._since, self._told > self._since
            self._since = self._told = now
            self._failure = ""
        if was_told:
            _log.warning("%s answers again, after %.0f s", self._url, silent)

    def failed(self, failure: str) -> None:
        """An attempt has failed, in these words."""
        with self._lock:
            self._failure = failure

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    def _watch(self) -> None:
        wait = self._interval
        while not self._closed.wait(wait):
            wait = self._tell()

    def _tell(self) -> float:
        """Log what there is to tell; the seconds until there may be more."""
        now = time.monotonic()
        with self._lock:
            due = self._told + self._interval
            if not self._waiting or now < due:
                return due - now if self._waiting else self._interval
            self._told = now
            waiting, silent, failure = self._waiting, now - self._since, self._failure
        last = f"; the last attempt: {failure}" if failure else ""
        _log.warning("%s: no answer for %.0f s, %d requests wait for it%s", self._url, silent, waiting, last)
        return self._interval
