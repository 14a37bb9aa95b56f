"""The first difference between two engines' answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.compare import Difference, compare
from tasks.engines.protocol import Completion, Decoding, Failure, FinishReason, Request, Result
from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason
from tests.builders import examples

ONE = Request("a", None, "", "", Decoding(8), name="photos/a.jpg")


def said(text: str, finish: FinishReason = "stop", tokens: int = 3) -> Completion:
    return Completion("a", text, finish, 9, 4, tokens)


def refused(reason: Reason) -> Failure:
    return Failure("a", PhotoError(reason, "in words that may differ"))


def difference(ours: Result, theirs: Result) -> Difference | None:
    ((photo, found),) = compare([ONE], {"a": ours}, {"a": theirs})
    assert photo == "photos/a.jpg"
    return found


@given(st.text(max_size=40), st.text(max_size=40))
@examples(200)
def test_texts_are_the_same_up_to_the_first_difference_and_differ_there(one: str, other: str) -> None:
    found = difference(said(one), said(other))
    assert (found is None) == (one == other)
    if found is not None:
        assert one[: found.at] == other[: found.at]
        assert one[found.at : found.at + 1] != other[found.at : found.at + 1]
        assert one[found.at :].startswith(found.ours.text)
        assert other[found.at :].startswith(found.theirs.text)


@pytest.mark.parametrize(
    ("ours", "theirs", "ended"),
    [
        (said("BBU", "stop"), said("BBU", "length"), ("stop", "length")),
        (said("BBU"), refused(Reason.TRUNCATED_IMAGE), ("stop", "truncated_image")),
        (refused(Reason.TOO_SMALL), refused(Reason.TRUNCATED_IMAGE), ("too_small", "truncated_image")),
    ],
)
def test_another_end_is_a_difference(ours: Result, theirs: Result, ended: tuple[str, str]) -> None:
    found = difference(ours, theirs)
    assert found is not None
    assert (found.ours.ended, found.theirs.ended) == ended


def test_the_same_end_is_none_whatever_the_words_and_the_number_of_tokens() -> None:
    assert difference(said("BBU", tokens=3), said("BBU", tokens=4)) is None
    words = Failure("a", PhotoError(Reason.TOO_SMALL, "other words"))
    assert difference(refused(Reason.TOO_SMALL), words) is None
