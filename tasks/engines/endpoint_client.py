"""Asks an OpenAI-compatible server over HTTP, once each time. Knows no photo, and nothing of trying again.

httpx and not the openai package: that one sends what it finds in OPENAI_* variables to whatever server it is pointed
at, and takes an answer that is no JSON for a text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from configs.parts import EndpointConfig
from tasks.engines.endpoint_replies import Chat, Chunk, Odd, ServedModel, read_chat, read_chunks, read_served, said
from tasks.records.errors import EngineError

_T = TypeVar("_T")

_CONNECT_SECONDS = 10.0
_MOST_BYTES = 16 * 2**20
"""Largest answer that is read."""

_BUSY = (408, 409, 425, 429)
"""Statuses below 500 that another try may change."""

_NO_LIST = (404, 405, 501)
"""What a server without a model list answers."""


class TryAgain(Exception):
    """One attempt failed, and the next one may not.

    `after` is the seconds that the server asks to wait for; `odd` is true for an answer that cannot be read.
    """

    def __init__(self, message: str, *, after: float | None = None, odd: bool = False) -> None:
        self.after = after
        self.odd = odd
        super().__init__(message)


class Refusal(Exception):
    """The server understood and will not; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class EndpointClient:
    """One server. Safe to use from several threads.

    Every call raises TryAgain or Refusal.
    """

    def __init__(self, config: EndpointConfig, api_key: str | None) -> None:
        """Raises EngineError if the URL or the key cannot be one."""
        self.url = config.url.rstrip("/")
        self._key = api_key
        self._seconds = config.timeout_seconds
        try:
            parsed = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise EngineError(f"engine.endpoint.url is not a URL: {error}") from error
        if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo:
            raise EngineError("engine.endpoint.url must be http(s)://host[:port]/v1, without a user or a password")
        if api_key is not None and not (api_key and api_key.isascii() and api_key.isprintable()):
            raise EngineError("the API key is empty or has characters that no header can carry")
        self._http = httpx.Client(
            base_url=self.url,
            headers={} if api_key is None else {"Authorization": f"Bearer {api_key}"},
            timeout=httpx.Timeout(self._seconds, connect=min(_CONNECT_SECONDS, self._seconds)),
            limits=httpx.Limits(max_connections=config.concurrency, max_keepalive_connections=config.concurrency),
        )

    def models(self) -> list[ServedModel] | None:
        """The models that the server offers, or None if it has no list."""
        with self._asked("GET", "models") as (response, until):
            body = self._body(response, until)
            if response.status_code in _NO_LIST:
                return None
            self._check(response, body)
            return _parsed(lambda: read_served(body))

    def chat(self, request: Mapping[str, Any]) -> Chat:
        """The answer to a chat request."""
        with self._asked("POST", "chat/completions", request) as (response, until):
            body = self._body(response, until)
            self._check(response, body)
            return _parsed(lambda: read_chat(body))

    def chunks(self, request: Mapping[str, Any]) -> Iterator[Chunk]:
        """The answer to a chat request, piece by piece. Ends early, without an error, where the server ends it."""
        with self._asked("POST", "chat/completions", {**request, "stream": True}) as (response, until):
            if response.status_code != 200:
                self._check(response, self._body(response, until))
            chunks = read_chunks(response.iter_lines())
            while (chunk := _parsed(lambda: next(chunks, None))) is not None:
                yield chunk
                if time.monotonic() > until:
                    raise TryAgain(f"no end of the answer in {self._seconds:g} s")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @contextmanager
    def _asked(
        self, method: str, path: str, request: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[httpx.Response, float]]:
        """The response, its body unread, and when the answer must be complete."""
        try:
            until = time.monotonic() + self._seconds
            with self._http.stream(method, path, json=request) as response:
                yield response, until
        except httpx.TimeoutException as error:
            raise TryAgain(f"no answer in {self._seconds:g} s ({type(error).__name__})") from error
        except httpx.RequestError as error:
            raise TryAgain(f"{type(error).__name__}: {error}") from error

    def _body(self, response: httpx.Response, until: float) -> bytes:
        # httpx limits the wait for each piece of an answer and not the wait for the whole.
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES:
                raise TryAgain(f"an answer of more than {_MOST_BYTES} bytes", odd=True)
            if time.monotonic() > until:
                raise TryAgain(f"no whole answer in {self._seconds:g} s")
        return b"".join(parts)

    def _check(self, response: httpx.Response, body: bytes) -> None:
        status = response.status_code
        if status == 200:
            return
        words = f"{status} {response.reason_phrase}: {said(body, self._key) or 'no message'}"
        if status in _BUSY or (status >= 500 and status != 501):
            raise TryAgain(words, after=_retry_after(response.headers.get("retry-after")))
        raise Refusal(status, words)


def _parsed(read: Callable[[], _T]) -> _T:
    try:
        return read()
    except Odd as error:
        raise TryAgain(f"an answer that cannot be read: {error}", odd=True) from error


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which gives seconds or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
