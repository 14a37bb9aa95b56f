"""Tests of reading dense captions that are not, or only almost, ones: an answer is exactly what the format says, or it
is refused with a reason. The oracle reads the format on its own.

FIELDCHECK_FUZZ=1 tries 60,000 texts instead of some hundred.
"""

from __future__ import annotations

import json
import os
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.dense.caption import Caption
from tasks.dense.parse import parse_caption
from tasks.dense.violations import MOST_LISTED, Violation
from tasks.records.errors import CaptionInvalid
from tests.tasks.dense.malformed import json_values, malformed, soups
from tests.tasks.dense.oracle import Read, expected

THOROUGH = os.environ.get("FIELDCHECK_FUZZ") == "1"
CODES = {violation.value for violation in Violation}


def tries(default: int, thorough: int) -> settings:
    """How many examples: the same ones every time by default, ever new ones when thorough."""
    return settings(
        max_examples=thorough if THOROUGH else default,
        derandomize=not THOROUGH,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def read(text: str, finish_reason: Literal["stop", "length"] = "stop") -> Read | None:
    """What the parser makes of a text; None if it refuses it, for reasons that can be shown."""
    try:
        caption = parse_caption(text, finish_reason)
    except CaptionInvalid as error:
        reasons = error.violations
    else:
        assert parse_caption(caption.text()) == caption
        return plain(caption)
    assert 1 <= len(reasons) <= MOST_LISTED + 1
    for reason in reasons:
        assert reason.isprintable()
        assert len(reason) < 700
        assert CODES & set(reason.split(": ")) or reason.startswith("and ")
    return None


def plain(caption: Caption) -> Read:
    """A caption as the oracle has it."""
    return [(item.desc, item.geometry.kind, list(item.geometry.points)) for item in caption.objects]


@tries(400, 40_000)
@given(malformed(), st.sampled_from(["stop"] * 9 + ["length"]))
def test_a_caption_after_accidents_is_one_or_is_refused(text: str, finish_reason: Any) -> None:
    assert read(text, finish_reason) == (expected(text) if finish_reason == "stop" else None)


@tries(100, 5_000)
@given(st.text(st.characters(exclude_categories=())) | st.text('{}[]",:object_12desc bx\\u\n`<|>', max_size=40))
def test_any_text_is_a_caption_or_is_refused(text: str) -> None:
    assert read(text) == expected(text)
    assert read(text, "length") is None


@tries(150, 10_000)
@given(soups)
def test_any_pieces_of_a_caption_are_one_or_are_refused(text: str) -> None:
    assert read(text) == expected(text)


@tries(100, 5_000)
@given(json_values, st.booleans())
def test_any_json_is_a_caption_or_is_refused(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert read(text) == expected(text)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"object_1":{"bbox_2d":[[0,0],[1,1]],"desc":"a"},"object_2":{"desc":"b","line_points":2,"line":[3,0,2,0]}}',
    ],
)
def test_the_oracle_knows_a_caption_when_it_sees_one(text: str) -> None:
    assert read(text) == expected(text) is not None
