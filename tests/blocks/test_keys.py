"""The key rule: what is refused, and that messages can always be logged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import BadKey
from blocks.store import check_key, check_prefix
from configs.stores import TEMPORARY_PREFIX, key_fault

ANY_TEXT = st.text(st.characters(), max_size=300)
BAD_PART = st.sampled_from(["", ".", "..", "\x00", "a\tb", "\x9f", "\ud800", "字" * 86, f"{TEMPORARY_PREFIX}x"])
GOOD_PART = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/."), min_size=1, max_size=60
)


@given(ANY_TEXT)
def test_a_key_is_safe_or_refused(key: str) -> None:
    if key_fault(key) is not None:
        with pytest.raises(BadKey) as caught:
            check_key(key, "/data")
        assert caught.value.uri == "/data"
        str(caught.value).encode()
        return
    assert check_key(key, "/data") == key
    assert 0 < len(key.encode()) <= 1024
    assert all(part not in ("", ".", "..") and len(part.encode()) <= 255 for part in key.split("/"))
    assert key.isprintable() or not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in key)


@given(st.lists(GOOD_PART, max_size=3), BAD_PART, st.lists(GOOD_PART, max_size=3))
def test_one_bad_part_is_enough(before: list[str], bad: str, after: list[str]) -> None:
    with pytest.raises(BadKey):
        check_key("/".join([*before, bad, *after]), "/data")


@given(st.lists(GOOD_PART, min_size=1, max_size=4))
def test_good_keys_pass(parts: list[str]) -> None:
    key = "/".join(parts)
    assert key_fault(key) is None
    assert check_prefix(key, "/data") == check_prefix(key + "/", "/data") == key


def test_limits_are_in_bytes() -> None:
    assert check_key("字" * 85, "/data")
    with pytest.raises(BadKey, match="255"):
        check_key("字" * 86, "/data")
    key = "/".join(["x" * 255] * 4)
    assert check_key(key, "/data") == key
    with pytest.raises(BadKey, match="1024"):
        check_key(key + "/xx", "/data")


def test_the_empty_prefix_is_the_whole_store() -> None:
    assert check_prefix("", "/data") == ""
    with pytest.raises(BadKey):
        check_prefix("/", "/data")


def test_long_keys_are_cut_in_messages() -> None:
    with pytest.raises(BadKey) as caught:
        check_key("x" * 5000, "/data")
    assert len(str(caught.value)) < 400
