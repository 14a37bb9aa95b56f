"""The layer around a server: which hosts and origins are its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.guard import Guard, proof

SAME = ["127.0.0.1:4200", "localhost:4200", "[::1]:4200", "10.1.2.3:4200", "localhost", "127.0.0.1"]
STRANGE = [
    "evil.test", "evil.test:4200", "127.0.0.1.evil.test", "localhost.", "127.1", "0x7f.0.0.1", "2130706433", "",
    "127.0.0.1@evil.test", "evil.test#@127.0.0.1", "[evil]", "[", "127.0.0.1:port@evil.test", "ui.corp.evil.test",
]  # fmt: skip


def ask(host: str | None, origin: str | None = None, kind: str = "http", ui_url: str = "https://ui.corp") -> Any:
    """The status of an answer, or the messages of a websocket; 200 when the app behind was reached."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        sent.append({"status": 200})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read of a request that is refused")

    told = [(b"host", host), (b"origin", origin)]
    headers = [(name, value.encode("latin-1")) for name, value in told if value is not None]
    scope = {"type": kind, "method": "POST", "path": "/api/flows/", "query_string": b"", "headers": headers}
    asyncio.run(Guard(app, ui_url)(scope, receive, send))
    return sent[0].get("status", sent[0].get("type"))


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", [*SAME, "ui.corp", "ui.corp:443"])
def test_its_own_addresses_and_those_of_programs_are_let_in(host: str, kind: str) -> None:
    assert ask(host, kind=kind) == 200
    assert ask(host, f"http://{host}", kind) == 200
    assert ask(host, "https://ui.corp", kind) == 200


@pytest.mark.parametrize("host", [*STRANGE, None])
def test_other_names_are_refused(host: str | None) -> None:
    assert ask(host) == 403
    assert ask(host, kind="websocket") == "websocket.close"
    assert ask(host, f"http://{host}") == 403


@pytest.mark.parametrize("origin", ["http://evil.test", "null", "", "http://ui.corp", "https://ui.corp.evil.test", "x"])
def test_pages_of_other_origins_are_refused(origin: str) -> None:
    for host in SAME:
        assert ask(host, origin) == 403
        assert ask(host, origin, "websocket") == "websocket.close"


@given(st.text(st.characters(max_codepoint=255), max_size=30))
def test_whatever_a_host_says_there_is_an_answer(host: str) -> None:
    assert ask(host) in (200, 403)


@given(st.from_regex(r"([a-z0-9-]{1,9}\.){1,3}[a-z]{2,6}(:[0-9]{1,5})?", fullmatch=True))
def test_no_name_of_the_internet_is_let_in(host: str) -> None:
    assert ask(host, ui_url="") == 403


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_a_proof_is_of_one_password_and_one_nonce(password: str, other: str, nonce: str) -> None:
    assert proof(password, nonce) == proof(password, nonce)
    if password != other:
        assert proof(password, nonce) != proof(other, nonce)
