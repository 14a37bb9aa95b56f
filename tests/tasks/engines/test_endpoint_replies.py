"""What a server may answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engines.endpoint_replies import Odd, read_chat, read_chunks, read_served, said
from tests.tasks.engines.faulty import TEXT, chat, pieces, usage


def test_what_is_right_is_read() -> None:
    found = read_chat(json.dumps({**chat(), "system_fingerprint": None, "choices": chat()["choices"] * 2}).encode())
    assert (found.choices[0].message.content, found.choices[0].finish_reason) == (TEXT, "stop")
    (model,) = read_served(b'{"data": [{"id": "a", "max_model_len": 4096, "root": "/x"}]}')
    assert (model.id, model.owned_by, model.max_model_len) == ("a", "", 4096)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"<html>", b"{}", b'{"choices": []}', b'{"choices": [{"message": {}}]}', b"\xff\xfe"]
    + [json.dumps(chat(finish=finish)).encode() for finish in (None, "tool_calls", "abort")]
    + [json.dumps(chat(7)).encode()]  # type: ignore[arg-type]
    + [b'{"choices": [{"message": {"content": "\\ud83d"}, "finish_reason": "stop"}]}'],
)
def test_what_is_odd_is_odd(body: bytes) -> None:
    with pytest.raises(Odd):
        read_chat(body)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_odd(body: bytes) -> None:
    for read in (read_chat, read_served):
        with pytest.raises(Odd):
            read(body)


def test_events_are_joined_lines_and_comments_are_skipped() -> None:
    chunk = json.dumps(pieces()[0], ensure_ascii=False, indent=1).splitlines()
    lines = [
        ": ping",
        "",
        "event: message",
        *[f"data: {line}" for line in chunk],
        "id: 1",
        "",
        f"data:{json.dumps(usage())}",
    ]
    lines += ["", "data: [DONE]", "", "data: never read", ""]
    first, last = read_chunks(lines)
    assert first.choices[0].delta.content == "BBU"
    assert last.usage is not None
    assert last.usage.completion_tokens == 9
    # An event without its blank line has not come whole.
    assert list(read_chunks([f"data: {json.dumps(usage())}"])) == []


def test_an_error_within_a_stream_is_odd() -> None:
    with pytest.raises(Odd, match="choices"):
        list(read_chunks(['data: {"error": {"message": "no"}}', ""]))


def test_a_servers_words_are_short_and_hold_neither_photo_nor_key() -> None:
    body = json.dumps({"detail": "x" * 20 + "\n", "key": "sk-1", "url": "data:image/png;base64,AAAA+/=="}).encode()
    assert said(body, "sk-1") == '{"detail": "' + "x" * 20 + '\\n", "key": "***", "url": "data:..."}'
    assert said(b"a\n\n b", None) == "a b"
    assert len(said(b"y" * 5000, None)) < 310
