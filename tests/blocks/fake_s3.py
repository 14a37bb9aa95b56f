"""A server of this machine that answers S3 requests as a test scripts them. Knows nothing of S3 beyond XML errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.retrying import Retry
from blocks.s3_store import S3Store
from configs.stores import S3Location, S3Options


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. `promised` overrides Content-Length and the connection breaks off after the body; `hang` and
    `stall` are seconds to wait before the answer and after the body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None
    hang: float = 0.0
    stall: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """What the server saw: method, path with query, and headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]


Script = Callable[[Request], Answer]


def error(status: int, code: str) -> Answer:
    """An S3 error with an XML body whose message is a trap: nobody may read it."""
    body = f"<Error><Code>{code}</Code><Message>AccessDenied NoSuchKey SlowDown secret-token</Message></Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


@contextmanager
def fake_s3(
    script: Script, *, read_timeout: float = 10.0, max_attempts: int = 1, retry: Retry | None = None, page: int = 1000
) -> Iterator[tuple[S3Store, list[Request]]]:
    """A store on the server, which follows `script` meanwhile, and the list of requests that it fills.

    Without a `retry` an operation gets one attempt.
    """
    server = _server()
    scene = server.scene = _Scene(script)
    try:
        options = S3Options(
            endpoint_url=f"http://127.0.0.1:{server.server_port}",
            max_attempts=max_attempts,
            connect_timeout=5,
            read_timeout=read_timeout,
        )
        credentials = AwsCredentials(aws_access_key_id="key", aws_secret_access_key=SecretStr("hidden"))
        yield S3Store(S3Location("bucket"), options, credentials, retry=retry or Retry(0), page=page), scene.seen
    finally:
        scene.done.set()


@dataclass
class _Scene:
    script: Script
    seen: list[Request] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    scene: _Scene

    def handle_error(self, request: object, client_address: object) -> None:
        return  # a client that hangs up is what many tests are about


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # or botocore waits a second for a "100 Continue" that never comes
    server: _Server

    def _answer(self) -> None:
        scene = self.server.scene
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.rfile.read(int(headers.get("content-length", 0)))
        request = Request(self.command, self.path, headers)
        scene.seen.append(request)
        answer = scene.script(request)
        scene.done.wait(answer.hang)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) if answer.promised is None else answer.promised))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        scene.done.wait(answer.stall)
        self.close_connection = answer.promised is not None

    # The names that http.server looks for.
    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        return


@lru_cache(maxsize=1)
def _server() -> _Server:
    # One port for all tests means one S3 client for all of them; making one takes longer than most tests.
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
