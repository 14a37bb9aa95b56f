"""Token ids to text, at once and in pieces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engines.answers import Pieces, read_answer, to_text
from tasks.engines.loading import load_processor
from tests.demo import Demo

END = 151645
ENDS = frozenset({END})


@pytest.fixture(scope="module")
def tokenizer(demo: Demo) -> Any:
    return load_processor(demo.checkpoint).tokenizer


def in_pieces(tokenizer: Any, ids: list[int]) -> list[str]:
    pieces: list[str] = []
    streaming = Pieces(tokenizer, ENDS, pieces.append)
    for token in ids:
        streaming.add(token)
    streaming.finish()
    return pieces


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_pieces_are_whole_characters_and_make_the_text(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces = in_pieces(tokenizer, ids)
    assert "".join(pieces) == to_text(tokenizer, ids)
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)


@settings(deadline=None)
@given(ids=st.lists(st.integers(0, 151_642), max_size=20))
def test_pieces_of_any_tokens_make_the_text(tokenizer: Any, ids: list[int]) -> None:
    assert "".join(in_pieces(tokenizer, ids)) == to_text(tokenizer, ids)


def test_a_character_of_several_tokens_is_one_piece(tokenizer: Any) -> None:
    ids = tokenizer("光🪛A", add_special_tokens=False)["input_ids"]
    assert len(ids) > 3
    assert [piece for piece in in_pieces(tokenizer, ids) if "🪛" in piece] == ["🪛"]


def test_nothing_after_the_end_token_is_read(tokenizer: Any) -> None:
    ids = tokenizer("标签", add_special_tokens=False)["input_ids"]
    answer = read_answer(tokenizer, [*ids, END, *ids], ENDS)
    assert (answer.text, answer.finish_reason, answer.tokens) == ("标签", "stop", len(ids) + 1)
    assert "".join(in_pieces(tokenizer, [*ids, END, *ids])) == "标签"
    cut = read_answer(tokenizer, ids, ENDS)
    assert (cut.text, cut.finish_reason, cut.tokens) == ("标签", "length", len(ids))


def test_special_tokens_stay_in_the_text(tokenizer: Any) -> None:
    ids = [151652, *tokenizer("标签", add_special_tokens=False)["input_ids"]]
    assert read_answer(tokenizer, ids, ENDS).text == "<|vision_start|>标签"
    assert "".join(in_pieces(tokenizer, ids)) == "<|vision_start|>标签"
