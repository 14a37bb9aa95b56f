"""A robot that people are told by, for tests of alerts. Knows no test."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.servers import HOST


@dataclass
class Robot:
    """A robot of WeCom or DingTalk, as far as a webhook can tell."""

    url: str
    told: list[str] = field(default_factory=list)

    def wait_for(self, *words: str, seconds: float = 120.0) -> str:
        """The first message that has all of these words."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for message in list(self.told):
                if all(word in message for word in words):
                    return message
            time.sleep(0.2)
        pytest.fail(f"nobody was told of {words}, but of {self.told}")


@contextmanager
def listening() -> Iterator[Robot]:
    """A robot that listens."""
    told: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert body["msgtype"] == "text"
            told.append(body["text"]["content"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Robot(f"http://{HOST}:{server.server_port}/robot", told)
        server.shutdown()
