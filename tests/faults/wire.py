"""Reads HTTP/1.1 messages off a socket as the bytes that they are, and tells where one ends. Knows no fault."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

_CHUNK = 1 << 16
_MAX_LINE = 1 << 16


class Wire:
    """A socket that is read line by line or by count; raises ConnectionError where the other side hung up."""

    def __init__(self, plug: socket.socket) -> None:
        self.plug = plug
        self.waiting = b""  # what came and was not asked for yet
        # Heads and bodies go out in pieces, and a piece must not wait for the last one's receipt.
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def line(self) -> bytes:
        """The bytes up to a line end, with it."""
        while b"\n" not in self.waiting:
            if len(self.waiting) > _MAX_LINE:
                raise ConnectionError("a line without an end")
            self._more()
        found, _, self.waiting = self.waiting.partition(b"\n")
        return found + b"\n"

    def pieces(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes, as they come."""
        while size:
            if not self.waiting:
                self._more()
            piece, self.waiting = self.waiting[:size], self.waiting[size:]
            size -= len(piece)
            yield piece

    def rest(self) -> Iterator[bytes]:
        """All that comes until the other side is done."""
        yield self.waiting
        self.waiting = b""
        while piece := self.plug.recv(_CHUNK):
            yield piece

    def _more(self) -> None:
        piece = self.plug.recv(_CHUNK)
        if not piece:
            raise ConnectionError("the other side hung up")
        self.waiting += piece


@dataclass(frozen=True, slots=True)
class Head:
    """The first lines of a request or an answer: `raw` as it came, the words of its first line, its headers."""

    raw: bytes
    words: tuple[str, ...]
    headers: dict[str, str]

    @property
    def status(self) -> int:
        """The status of an answer."""
        return int(self.words[1])

    @property
    def size(self) -> int | None:
        """The Content-Length, if it counts."""
        if self.chunked or "content-length" not in self.headers:
            return None
        return int(self.headers["content-length"])

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks, each with its size before it. (aws-chunked lies within a body.)"""
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def closes(self) -> bool:
        """Whether the sender closes the connection after this message."""
        version = next(word for word in self.words if word.startswith("HTTP/"))
        connection = self.headers.get("connection", "").lower()
        return "close" in connection or (version == "HTTP/1.0" and "keep-alive" not in connection)


def read_head(wire: Wire) -> Head:
    """The next head. Raises ConnectionError."""
    lines = [wire.line()]
    while lines[-1].strip():
        lines.append(wire.line())
    words = tuple(lines[0].decode("latin-1").split())
    if len(words) < 2:
        raise ConnectionError("not an HTTP head")
    pairs = (line.decode("latin-1").partition(":") for line in lines[1:-1])
    return Head(b"".join(lines), words, {name.strip().lower(): value.strip() for name, _, value in pairs})


def request_body(wire: Wire, head: Head) -> Iterator[bytes]:
    """The body of a request, byte for byte, chunk sizes included."""
    if head.chunked:
        return _chunks(wire)
    return wire.pieces(head.size or 0)


def answer_body(wire: Wire, head: Head, method: str) -> Iterator[bytes]:
    """The body of the answer to a request of `method`, byte for byte."""
    if method == "HEAD" or head.status in (204, 304) or head.status < 200:
        return iter(())
    if head.chunked:
        return _chunks(wire)
    return wire.rest() if head.size is None else wire.pieces(head.size)


def _chunks(wire: Wire) -> Iterator[bytes]:
    while True:
        line = wire.line()
        yield line
        size = int(line.split(b";")[0], 16)
        if not size:
            break
        yield from wire.pieces(size + 2)
    while True:
        trailer = wire.line()
        yield trailer
        if not trailer.strip():
            return
