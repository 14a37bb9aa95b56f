"""A faulty proxy between an S3 client and a real server of this machine. Knows HTTP, and of S3 only an error's looks.

    with FaultyProxy(server.endpoint, Faults(status=0.05, reset_after=0.05), seed=1) as proxy:
        store = S3Store(location, S3Options(endpoint_url=proxy.endpoint), server.credentials())
        ...
        assert proxy.counts["reset_after"] > 0

All else is forwarded byte for byte, the Host header too: a server that checks signatures checks it with them.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.faults.exchange import PATIENCE, Draw, Exchange, refuse, reset, swallow
from tests.faults.wire import Head, Wire, read_head

_HOST = "127.0.0.1"
_WHOLE = ("status", "reset_before", "reset_after")


@dataclass(frozen=True, slots=True)
class Faults:
    """The probability of each fault, for each request; at most one of them happens, a delay may come on top.

    status: 500 or 503 with an S3 error, the server is not asked. reset_before: a reset (RST) in place of an answer,
    the server is not asked. reset_after: the server acts, and its answer is lost to a reset. reset_body: a reset in
    the middle of the answer's body. truncate: an orderly end there. An answer without a body is left whole by these
    two. delay: up to `longest_delay` seconds before the request is looked at.
    """

    status: float = 0.0
    reset_before: float = 0.0
    reset_after: float = 0.0
    reset_body: float = 0.0
    truncate: float = 0.0
    delay: float = 0.0
    longest_delay: float = 0.05


class FaultyProxy:
    """Listens on a port of this machine while it is entered, and passes on to the server at `upstream`.

    The same seed gives the same faults to the same requests in the same order; clients with threads have no order.
    `faults`, `fail_all` (every request fails as a whole, in one of the three ways) and `black_hole` (requests are
    taken and never answered) may be changed at any time and count from the next request on.
    """

    def __init__(self, upstream: str, faults: Faults | None = None, *, seed: int = 0) -> None:
        parts = urlsplit(upstream)
        self.upstream = (parts.hostname or _HOST, parts.port or 80)
        self.faults = faults or Faults()
        self.fail_all = False
        self.black_hole = False
        self.stopped = threading.Event()
        self._random = random.Random(seed)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server = _Server((_HOST, 0), _Connection)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint(self) -> str:
        """The URL for the client."""
        return f"http://{_HOST}:{self._server.server_port}"

    @property
    def counts(self) -> Counter[str]:
        """How many `requests` came, and how many of each fault were injected, by the names of `Faults`; also
        `black_hole`, and `passed`: answers that were passed on whole. What is missing is 0."""
        with self._lock:
            return self._counts.copy()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._lock:
            # Or a client could go on over a connection that it kept.
            for plug in self._open:
                with contextlib.suppress(OSError):
                    plug.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def holding(self, plug: socket.socket) -> Iterator[None]:
        """Counts the connection among those that end with the proxy."""
        with self._lock:
            self._open.add(plug)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(plug)

    def count(self, name: str) -> None:
        """Add one to a counter."""
        with self._lock:
            self._counts[name] += 1

    def draw(self, head: Head) -> Draw:
        """What happens to the request of `head`; a test that is after one request overrides this."""
        with self._lock:
            faults, dice = self.faults, self._random
            # Always as many numbers, so that one probability does not change what the others hit.
            pick, share, delay, late = (dice.random() for _ in range(4))
            names = [field.name for field in fields(faults) if field.name not in ("delay", "longest_delay")]
            bounds = itertools.accumulate(getattr(faults, name) for name in names)
            fault = next((name for name, bound in zip(names, bounds, strict=True) if pick < bound), None)
            if self.fail_all:
                fault = _WHOLE[int(share * len(_WHOLE))]
            return Draw(fault, share, late * faults.longest_delay if delay < faults.delay else 0.0)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    proxy: FaultyProxy

    @property
    def server_port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        return  # a client or a server that hangs up is what this is about


class _Connection(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        client, proxy = Wire(self.request), self.server.proxy
        with proxy.holding(self.request), contextlib.suppress(ConnectionError, TimeoutError):
            while not proxy.stopped.is_set() and self._serve(client, proxy):
                pass

    def _serve(self, client: Wire, proxy: FaultyProxy) -> bool:
        """One request; whether another one may come on this connection."""
        head = read_head(client)
        proxy.count("requests")
        draw = proxy.draw(head)
        if proxy.black_hole:
            proxy.count("black_hole")
            swallow(client, proxy.stopped)
            return False
        if draw.delay:
            proxy.count("delay")
            proxy.stopped.wait(draw.delay)
        if draw.fault == "reset_before":
            proxy.count(draw.fault)
            reset(client)
            return False
        if draw.fault == "status":
            proxy.count(draw.fault)
            return refuse(client, head, draw.share)
        with socket.create_connection(proxy.upstream, PATIENCE) as plug:
            return Exchange(client, Wire(plug), head, draw, proxy.count).run()
