"""Tests of scoring against an answer key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tasks.records.errors import InputError
from tasks.records.outcomes import Outcome
from tasks.records.photos import Group, Label
from tasks.summaries.score import UNLABELLED, Score, read_answer_key, score
from tests.builders import (
    MISSION,
    make_bad,
    make_failed,
    make_group,
    make_identity,
    make_ledger,
    make_outcomes,
    make_summarised,
)

GROUPS = [make_group("QC-1", 2, Label.PASS), make_group("QC-2", 2, None)]


def scored(groups: Sequence[Group], outcomes: Mapping[str, Outcome], answers: Any, **options: int) -> Score | None:
    """The score of these groups, through the ledger."""
    with make_ledger(groups, outcomes.values()) as ledger:
        return score(ledger.groups, make_identity(), ledger.works.outcome, answers, **options)


def test_what_is_exactly_so_counts_and_nothing_else() -> None:
    outcomes = make_outcomes(GROUPS, [make_summarised(GROUPS[1].photos[0], "BBU设备×1 ")])
    answers = {
        MISSION: {
            f"{Label.PASS}/QC-1": {"img1.jpg": "BBU设备×1", "img2.jpg": "BBU设备×2", "other.jpg": "无关图片"},
            f"{UNLABELLED}/QC-2": {"img1.jpg": "BBU设备×1"},
            f"{Label.FAIL}/QC-1": {"img1.jpg": "无关图片"},
        },
        "另一个": {f"{Label.PASS}/QC-1": {"img1.jpg": "无关图片"}},
    }
    result = scored(GROUPS, outcomes, answers)
    assert result is not None
    assert (result.answered, result.exact, result.exact_match) == (3, 2, 2 / 3)
    assert result.misses == ((f"{MISSION}/QC-2/img1.jpg", "BBU设备×1", "BBU设备×1 "),)


def test_what_was_quarantined_counts_as_a_miss() -> None:
    bad = [make_bad(GROUPS[0].photos[0], "无关图片。"), make_failed(GROUPS[0].photos[1])]
    outcomes = make_outcomes(GROUPS, bad)
    answers = {MISSION: {f"{Label.PASS}/QC-1": {"img1.jpg": "无关图片", "img2.jpg": "无关图片"}}}
    result = scored(GROUPS, outcomes, answers)
    assert result is not None
    assert (result.answered, result.exact) == (2, 0)
    assert [text for _, _, text in result.misses] == ["无关图片。", ""]


def test_only_the_first_misses_are_told() -> None:
    group = make_group("QC-1", 9, Label.PASS)
    answers = {MISSION: {f"{Label.PASS}/QC-1": {f"img{n}.jpg": "无关图片" for n in range(1, 10)}}}
    result = scored([group], make_outcomes([group]), answers, most_misses=2)
    assert result is not None
    assert (result.answered, result.exact, len(result.misses)) == (9, 0, 2)


@pytest.mark.parametrize("answers", [{}, {MISSION: {}}, {MISSION: {f"{Label.PASS}/QC-9": {"img1.jpg": "x"}}}])
def test_without_an_answer_there_is_no_score(answers: dict[str, dict[str, dict[str, str]]]) -> None:
    assert scored(GROUPS, make_outcomes(GROUPS), answers) is None


def test_an_answer_key_is_read_as_it_is(tmp_path: Path) -> None:
    key = {MISSION: {"未标注/QC-1": {"img1.jpg": "无关图片"}}}
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key), encoding="utf-8")
    assert read_answer_key(path) == key


@pytest.mark.parametrize("data", [None, b"", b"[]", b"{", b'{"a": 1}', b'{"a": {"b": {"c": 1}}}', b"\xff"])
def test_a_file_that_is_no_answer_key_is_named(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "key.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=r"key\.json is not an answer key"):
        read_answer_key(path)
