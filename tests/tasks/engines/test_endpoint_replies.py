"""What a server may answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engines.endpoint_replies import (
    ServerError,
    UnexpectedReply,
    Usage,
    finish_of,
    read_chat,
    read_chunks,
    read_lines,
    read_served,
    said,
)
from tests.tasks.engines.faulty import TEXT, chat, pieces, usage


def test_what_is_right_is_read() -> None:
    found = read_chat(json.dumps({**chat(), "system_fingerprint": None, "choices": chat()["choices"] * 2}).encode())
    assert (found.choices[0].message.content, found.choices[0].finish_reason) == (TEXT, "stop")
    (model,) = read_served(b'{"data": [{"id": "a", "max_model_len": 4096, "root": "/x"}]}')
    assert (model.id, model.owned_by, model.max_model_len) == ("a", "", 4096)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b"<html>", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b"\xff\xfe"),
        json.dumps(chat(7)).encode(),  # type: ignore[arg-type]
        b'{"choices": [{"message": {"content": "\\ud83d"}, "finish_reason": "stop"}]}',
    ],
)
def test_what_is_odd_is_odd(body: bytes) -> None:
    with pytest.raises(UnexpectedReply):
        read_chat(body)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_odd(body: bytes) -> None:
    for read in (read_chat, read_served):
        with pytest.raises(UnexpectedReply):
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


def test_an_error_within_a_stream_is_told_from_what_is_odd() -> None:
    with pytest.raises(ServerError):
        list(read_chunks(['data: {"error": {"message": "no"}}', ""]))
    with pytest.raises(UnexpectedReply, match="choices"):
        list(read_chunks(['data: {"chose": []}', ""]))


@pytest.mark.parametrize(
    "counts", [None, [], "12", {"prompt_tokens": None}, {"prompt_tokens": -3}, {"prompt_tokens": "9"}]
)
def test_counts_that_are_none_are_nothing(counts: object) -> None:
    found = read_chat(json.dumps({**chat(), "usage": counts}).encode())
    assert (found.usage or Usage()).prompt_tokens == 0


def test_an_answer_in_parts_is_their_text() -> None:
    parts = [{"type": "text", "text": "BBU"}, {"type": "image"}, "x", {"type": "text", "text": "设备"}]
    assert read_chat(json.dumps(chat(parts)).encode()).choices[0].message.content == "BBU设备"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("stop", "stop"), ("eos", "stop"), ("end_turn", "stop"), ("length", "length"), ("max_tokens", "length")]
    + [(reason, None) for reason in (None, "", "abort", "content_filter", "repetition", "tool_calls", "STOP")],
)
def test_a_finish_reason_is_an_end_a_limit_or_neither(reason: str | None, expected: str | None) -> None:
    assert finish_of(reason) == expected


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=9), max_size=9),
    st.lists(st.integers(1, 9)),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_lines_are_the_same_however_the_bytes_come(lines: list[str], cuts: list[int], end: str) -> None:
    data = "".join(line + end for line in lines).encode()
    parts = []
    for size in [*cuts, len(data)]:
        parts.append(data[:size])
        data = data[size:]
    assert list(read_lines(parts)) == lines


def test_a_line_without_an_end_and_one_that_is_no_utf8_are_odd() -> None:
    with pytest.raises(UnexpectedReply, match="more than 1048576 bytes"):
        list(read_lines(b"x" * 65536 for _ in range(99)))
    with pytest.raises(UnexpectedReply, match="not UTF-8"):
        list(read_lines([b"\xff\n"]))


def test_a_servers_words_are_short_and_hold_neither_photo_nor_key() -> None:
    body = json.dumps({"detail": "x" * 20 + "\n", "key": "sk-1", "url": "data:image/png;base64,AAAA+/=="}).encode()
    assert said(body, "sk-1") == '{"detail": "' + "x" * 20 + '\\n", "key": "***", "url": "data:..."}'
    assert said(b"a\n\n b", None) == "a b"
    assert said("\x1b[31m\u202e红".encode(), None) == "\\x1b[31m\\u202e红"
    assert len(said(b"y" * 5000, None)) < 310
