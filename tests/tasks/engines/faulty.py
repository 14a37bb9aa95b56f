"""A chat server in this process that misbehaves as it is told: a double of a broken server, not of a model."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TEXT = "BBU设备×1，标签×2"
Act = Callable[["Handler"], None]


@dataclass
class Script:
    """What the next chat requests get, after what `rule` says of one; when nothing is left, a good answer. `asked`
    keeps their bodies."""

    acts: list[Act] = field(default_factory=list)
    models: Act | None = None
    rule: Callable[[dict[str, Any]], Act | None] = lambda body: None
    served: tuple[str, ...] = ("demo",)
    owned_by: str = "somebody"
    max_model_len: int | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    script: Script

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """The model list."""
        self.script.keys.append(self.headers.get("Authorization"))
        if self.script.models is not None:
            return self.script.models(self)
        models = [{"id": name, "owned_by": self.script.owned_by} for name in self.script.served]
        if self.script.max_model_len is not None:
            models = [{**model, "max_model_len": self.script.max_model_len} for model in models]  # type: ignore[dict-item]
        return status(200, {"object": "list", "data": models})(self)

    def do_POST(self) -> None:
        """A chat request."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.script.lock:
            self.script.asked.append(body)
            self.script.at_once += 1
            self.script.most_at_once = max(self.script.most_at_once, self.script.at_once)
            act = self.script.rule(body) or (self.script.acts.pop(0) if self.script.acts else good)
        try:
            act(self)
        finally:
            with self.script.lock:
                self.script.at_once -= 1

    def send(self, code: int, body: bytes, kind: str, **headers: str) -> None:
        """One whole answer."""
        self.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def status(code: int, body: object = None, **headers: str) -> Act:
    """An answer of any status; a body of bytes goes out as it is."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda handler: handler.send(code, data, "application/json", **headers)


def chat(text: str | None = TEXT, finish: str | None = "stop", **usage: int) -> dict[str, Any]:
    """A chat completion."""
    message = {"role": "assistant", "content": text}
    return {
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 9, **usage},
    }


def good(handler: Handler) -> None:
    """What a working server answers, as a stream where that is asked for."""
    if handler.script.asked[-1].get("stream"):
        return streamed([*pieces(), usage(), "[DONE]"])(handler)
    return status(200, chat())(handler)


def slow(seconds: float) -> Act:
    """A good answer, too late."""

    def act(handler: Handler) -> None:
        time.sleep(seconds)
        status(200, chat())(handler)

    return act


def drip(seconds: float) -> Act:
    """An answer that never quite ends: a byte at a time."""

    def act(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                handler.wfile.write(b" ")
                time.sleep(0.02)
        except OSError:
            pass
        handler.close_connection = True

    return act


def hang(until: threading.Event) -> Act:
    """Nothing at all, on a connection that stays open, as of a server that was told to end."""

    def act(handler: Handler) -> None:
        until.wait(60)
        handler.close_connection = True

    return act


def pings(seconds: float, ping: bytes = b": ping\n\n") -> Act:
    """A stream that says nothing, again and again."""

    def act(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                handler.wfile.write(ping)
                time.sleep(0.02)
        except OSError:
            pass
        handler.close_connection = True

    return act


def reset(handler: Handler) -> None:
    """The connection is torn down instead of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def pieces(count: int = 4, finish: str | None = "stop") -> list[dict[str, Any]]:
    """The chunks of a streamed answer."""
    step = -(-len(TEXT) // count)
    parts = [TEXT[at : at + step] for at in range(0, len(TEXT), step)]
    found = [{"choices": [{"index": 0, "delta": {"content": part}, "finish_reason": None}]} for part in parts]
    return [*found, {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}]


def usage() -> dict[str, Any]:
    """The chunk with the usage: it has no choice."""
    return {"choices": [], "usage": {"prompt_tokens": 120, "completion_tokens": 9}}


def streamed(events: list[Any], *, torn: bool = False) -> Act:
    """Server-sent events; `torn` leaves the chunked body without its end."""

    def act(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for event in events:
            text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
            data = f": a comment\r\ndata: {text}\r\n\r\n".encode()
            handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        handler.wfile.flush()
        if torn:
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return
        handler.wfile.write(b"0\r\n\r\n")
        return

    return act


@contextmanager
def faulty(**settings: Any) -> Iterator[Script]:
    """A running server and its script."""
    script = Script(**settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Scripted", (Handler,), {"script": script}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
