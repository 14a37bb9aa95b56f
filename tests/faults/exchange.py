"""One request between a client and a server, with the fault that it was dealt. Knows no probability."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.wire import Head, Wire, answer_body, read_head, request_body

PATIENCE = 60.0  # seconds for the server to answer
_ERRORS = ((500, "Internal Server Error", "InternalError"), (503, "Slow Down", "SlowDown"))


@dataclass(frozen=True, slots=True)
class Draw:
    """The fault of one request, if any; a number from 0 to 1 for how it turns out; seconds of delay."""

    fault: str | None
    share: float
    delay: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on its way to the server, and its answer on the way back."""

    client: Wire
    upstream: Wire
    head: Head
    draw: Draw
    count: Callable[[str], None]

    def run(self) -> bool:
        """Pass both on; whether the client's connection can take another request."""
        sent_all = self._send_request()
        answer = self._final_answer()
        body = answer_body(self.upstream, answer, self.head.words[0])
        fault = self.draw.fault
        if fault == "reset_after":
            for _ in body:
                pass
            self.count(fault)
            reset(self.client)
            return False
        if fault in ("reset_body", "truncate"):
            whole = b"".join(body)
            if whole:
                return self._break_off(answer, whole, fault)
            body = iter((whole,))
        self.count("passed")
        self.client.plug.sendall(answer.raw)
        for piece in body:
            self.client.plug.sendall(piece)
        # Without a size the end of the connection is the end of the body.
        endless = answer.size is None and not answer.chunked and answer.status not in (204, 304)
        return sent_all and not (answer.closes or self.head.closes or (endless and self.head.words[0] != "HEAD"))

    def _send_request(self) -> bool:
        """Whether the server took all of it; one that has heard enough answers and hangs up."""
        try:
            self.upstream.plug.sendall(self.head.raw)
            if "expect" in self.head.headers and not self._may_go_on():
                # An answer came at once, and the body never: nobody could tell it from the next request.
                return self.head.size == 0
            for piece in request_body(self.client, self.head):
                self.upstream.plug.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def _may_go_on(self) -> bool:
        # The client waits for "100 Continue", but not for ever, and a server need not send one.
        wires = {self.client.plug: self.client, self.upstream.plug: self.upstream}
        while not self.client.waiting:
            ready, _, _ = select.select(list(wires), [], [], PATIENCE)
            if self.client.plug in ready or not ready:
                break
            answer = read_head(self.upstream)
            if answer.status >= 200:
                self.upstream.waiting = answer.raw + self.upstream.waiting
                return False
            self.client.plug.sendall(answer.raw)
            if answer.status == 100:
                break
        return True

    def _final_answer(self) -> Head:
        while (answer := read_head(self.upstream)).status < 200:
            self.client.plug.sendall(answer.raw)
        return answer

    def _break_off(self, answer: Head, whole: bytes, fault: str) -> bool:
        self.count(fault)
        self.client.plug.sendall(answer.raw + whole[: int(self.draw.share * len(whole))])
        if fault == "reset_body":
            reset(self.client)
        return False


def refuse(client: Wire, head: Head, share: float) -> bool:
    """Answer 500 or 503, as `share` falls; whether the connection can take another request."""
    status, reason, code = _ERRORS[int(share * len(_ERRORS))]
    body = b"" if head.words[0] == "HEAD" else _error_body(code)
    # A client that waits for "100 Continue" may send its body all the same.
    waits = "expect" in head.headers
    if not waits:
        for _ in request_body(client, head):
            pass
    lines = [f"HTTP/1.1 {status} {reason}", "Content-Type: application/xml", f"Content-Length: {len(body)}"]
    lines += ["Connection: close"] if waits or head.closes else []
    client.plug.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    return not (waits or head.closes)


def _error_body(code: str) -> bytes:
    text = f"<Error><Code>{code}</Code><Message>injected</Message><RequestId>0</RequestId></Error>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def reset(wire: Wire) -> None:
    """End the connection with RST."""
    # With a linger of 0 seconds the kernel sends RST in place of FIN, and drops what the client has not got yet.
    wire.plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.plug.close()


def swallow(wire: Wire, stopped: threading.Event) -> None:
    """Take what comes and never answer, until either side has enough."""
    wire.plug.settimeout(0.1)
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            if not wire.plug.recv(1 << 16):
                return
