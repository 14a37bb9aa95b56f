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
from tasks.engines.endpoint_faults import Blame, ErrorAnswer, blame, read_error
from tasks.engines.endpoint_replies import (
    Chat,
    Chunk,
    ServedModel,
    ServerError,
    UnexpectedReply,
    read_chat,
    read_chunks,
    read_lines,
    read_served,
    said,
)
from tasks.records.errors import EngineError

_T = TypeVar("_T")

_CONNECT_SECONDS = 10.0
_MOST_BYTES = 16 * 2**20
"""Largest answer that is read."""

_NO_LIST = (404, 405, 501)
"""What a server without a model list answers."""

_UNREACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Failures before the request was on its way: it cannot be to blame."""


class TryAgain(Exception):
    """One attempt failed, and the next one may not.

    `after` is the seconds that the server asks to wait for; `unexpected` is true for an answer that cannot be read,
    `own` for a failure that the request itself may be to blame for.
    """

    def __init__(
        self, message: str, *, after: float | None = None, unexpected: bool = False, own: bool = False
    ) -> None:
        self.after = after
        self.unexpected = unexpected
        self.own = own or unexpected
        super().__init__(message)


class Refusal(Exception):
    """The server understood and will not; `blame` says whose fault it is, `status` is HTTP's, `code` the server's."""

    def __init__(self, blame: Blame, status: int, code: str, message: str) -> None:
        self.blame = blame
        self.status = status
        self.code = code
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
            # Whoever asks bounds the connections; those that were given up on must not keep new ones waiting.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=config.concurrency),
        )

    def models(self, base: str = "") -> list[ServedModel] | None:
        """The models that the server offers, or None if it has no list; `base` is what stands before `models`."""
        with self._asked("GET", f"{base}models") as (response, until):
            body = b"".join(self._parts(response, until))
            if response.status_code in _NO_LIST:
                return None
            return self._read(response, body, read_served)

    def chat(self, request: Mapping[str, Any]) -> Chat:
        """The answer to a chat request."""
        with self._asked("POST", "chat/completions", request) as (response, until):
            return self._read(response, b"".join(self._parts(response, until)), read_chat)

    def chunks(self, request: Mapping[str, Any]) -> Iterator[Chunk]:
        """The answer to a chat request, piece by piece. Ends early, without an error, where the server ends it."""
        with self._asked("POST", "chat/completions", {**request, "stream": True}) as (response, until):
            parts = self._parts(response, until)
            if not response.is_success:
                raise self._failure(response, b"".join(parts))
            chunks = read_chunks(read_lines(parts))
            while (chunk := self._parsed(response, lambda: next(chunks, None))) is not None:
                yield chunk

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
        except _UNREACHED as error:
            raise TryAgain(f"{type(error).__name__}: {error}") from error
        except httpx.TimeoutException as error:
            raise TryAgain(self._too_late(type(error).__name__), own=True) from error
        except httpx.RequestError as error:
            raise TryAgain(f"{type(error).__name__}: {error}", own=True) from error

    def _parts(self, response: httpx.Response, until: float) -> Iterator[bytes]:
        # httpx limits the wait for each piece of an answer, and neither the wait for the whole nor its size.
        size = 0
        for part in response.iter_bytes():
            size += len(part)
            if size > _MOST_BYTES:
                raise TryAgain(f"an answer of more than {_MOST_BYTES} bytes", unexpected=True)
            if time.monotonic() > until:
                raise TryAgain(self._too_late("it goes on"), own=True)
            yield part

    def _too_late(self, how: str) -> str:
        return f"no whole answer in {self._seconds:g} s, engine.endpoint.timeout_seconds ({how})"

    def _read(self, response: httpx.Response, body: bytes, read: Callable[[bytes], _T]) -> _T:
        if not response.is_success:
            raise self._failure(response, body)
        return self._parsed(response, lambda: read(body))

    def _parsed(self, response: httpx.Response, read: Callable[[], _T]) -> _T:
        try:
            return read()
        except ServerError as error:
            raise self._failure(response, error.body) from error
        except UnexpectedReply as error:
            raise TryAgain(f"an answer that cannot be read: {error}", unexpected=True) from error

    def _failure(self, response: httpx.Response, body: bytes) -> TryAgain | Refusal:
        """What an error answer means. An error in an answer of status 200 counts as the status that it names."""
        told = read_error(body) or ErrorAnswer()
        status = told.status if response.is_success and told.status else response.status_code
        words = f"{response.status_code} {response.reason_phrase}: {said(body, self._key) or 'no message'}"
        whose = blame(status, told.codes)
        if whose is Blame.BUSY:
            return TryAgain(words, after=_retry_after(response.headers.get("retry-after")))
        if whose is Blame.FAILED:
            return TryAgain(words, after=_retry_after(response.headers.get("retry-after")), own=True)
        return Refusal(whose, status, told.code, words)


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
