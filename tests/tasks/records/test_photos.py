"""Tests of names from the field."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.records.photos import on_one_line, printable
from tests.builders import examples


def test_bytes_that_are_not_utf8_are_spelled() -> None:
    assert printable("img\udcff1.jpg") == "img\\xff1.jpg"
    assert printable("照片 😀.jpg") == "照片 😀.jpg"


@examples()
@given(st.binary(max_size=20))
def test_a_printable_name_can_always_be_encoded(name: bytes) -> None:
    printable(name.decode("utf-8", "surrogateescape")).encode("utf-8")


def test_what_would_forge_a_line_or_steer_a_terminal_is_escaped() -> None:
    assert on_one_line("a\nERROR b\x1b[31m\u202e\u2028 照片") == "a\\nERROR b\\x1b[31m\\u202e\\u2028 照片"


@examples()
@given(st.text(max_size=20))
def test_a_shown_name_is_one_printable_line(name: str) -> None:
    shown = on_one_line(name)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
