"""Who may talk to a Prefect server on this machine: an ASGI layer around it. Knows no Prefect.

Prefect takes any Host and any Origin, and a browser sends requests to loopback for whatever page is open in it. A page
of another origin is refused here before Prefect reads a byte, over websockets too, and so is a name that was made to
point to this machine (DNS rebinding). The password is Prefect's own part.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

LOGIN, PROOF = "/fieldcheck/login", "/fieldcheck/proof"

_LOGIN_PAGE = b"""<!doctype html><meta charset="utf-8"><title>Fieldcheck</title>
<script>
// The password is behind the #, which browsers send nowhere; Prefect's UI looks for it here.
localStorage.setItem("prefect-password", btoa(decodeURIComponent(location.hash.slice(1))));
location.replace("/");
</script>
"""
_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]


class Guard:
    """An app that only its own pages, and programs that are no browser, may talk to.

    `ui_url` is where people find the UI if that is not the server's own address, such as behind a proxy; `password` is
    what `proof` proves that a server knows.
    """

    def __init__(self, app: App, ui_url: str = "", password: str = "") -> None:
        self._app = app
        self._ui = urlsplit(ui_url)
        self._password = password

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """ASGI. Answers 403 to a request that is refused, and closes a websocket before it is accepted."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif reason := self._refusal(scope["headers"]):
            await _refuse(scope, send, reason)
        elif scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == LOGIN:
            await _answer(send, 200, b"text/html; charset=utf-8", _LOGIN_PAGE)
        elif scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == PROOF:
            nonce = parse_qs(scope["query_string"].decode("latin-1")).get("nonce", [""])[0]
            await _answer(send, 200, b"text/plain", proof(self._password, nonce).encode())
        else:
            await self._app(scope, receive, send)

    def _refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        told = [(name.lower(), value.decode("latin-1")) for name, value in headers]
        hosts = [value for name, value in told if name == b"host"]
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return "this host name is not the server's own"
        for origin in (value for name, value in told if name == b"origin"):
            place = urlsplit(origin)
            if place.netloc.lower() != hosts[0].lower() and (place.scheme, place.netloc) != self._ui[:2]:
                return "this origin is not the server's own"
        return None

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header is an address, which nobody can make point elsewhere, or a name that we know."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in ("localhost", self._ui.hostname):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def proof(password: str, nonce: str) -> str:
    """What only somebody who knows the password can answer to a nonce; tells nothing of the password."""
    return hmac.new(password.encode(), f"fieldcheck:{nonce}".encode(), hashlib.sha256).hexdigest()


async def _refuse(scope: Message, send: Callable[[Message], Awaitable[None]], reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    await _answer(send, 403, b"text/plain", f"Fieldcheck: {reason}\n".encode())


async def _answer(send: Callable[[Message], Awaitable[None]], status: int, kind: bytes, body: bytes) -> None:
    headers = [*_HEADERS, (b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
