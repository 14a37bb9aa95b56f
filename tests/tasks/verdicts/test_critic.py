"""Tests of reading the critic: what is not exactly its JSON is unreadable, and nothing it says makes a verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.jsonl import to_line
from tasks.records.verdicts import CriticReading, Decision, ReviewReason, Verdict
from tasks.verdicts.answers import read
from tasks.verdicts.critic import candidate_text, flags, mostly_unreadable, read_critic
from tests.builders import examples

GOOD: dict[str, Any] = {
    "summary": "image_1有BBU设备",
    "critique": "依据成立",
    "verdict": "通过",
    "needs_recheck": False,
    "evidence_sufficiency": True,
    "recommended_action": "通过",
}
UNREADABLE = CriticReading(format_ok=False)

readings = st.builds(
    CriticReading,
    format_ok=st.just(True),
    summary=st.text(st.characters(codec="utf-8", exclude_characters="<"), max_size=20),
    critique=st.text('依据成立，\n"\\{}', max_size=20),
    verdict=st.sampled_from(Verdict),
    needs_recheck=st.booleans(),
    evidence_sufficiency=st.booleans(),
    recommended_action=st.sampled_from(Decision),
)


def written(**changes: Any) -> str:
    return json.dumps(GOOD | changes, ensure_ascii=False)


def critic(**changes: Any) -> CriticReading:
    reading = read_critic(written(**changes))
    assert reading.format_ok
    return reading


@examples(200)
@given(readings, st.permutations([*GOOD]))
def test_the_six_keys_are_read_in_any_order(reading: CriticReading, keys: list[str]) -> None:
    told = reading.model_dump(mode="json")
    assert read_critic(json.dumps({key: told[key] for key in keys})) == reading


@examples(300)
@given(st.text(st.characters()) | st.text('{}[]":,\\ud800 truefalsenull0通过不', max_size=40), st.booleans())
def test_reading_never_raises(text: str, cut_off: bool) -> None:
    assert read_critic(text, cut_off=cut_off) == UNREADABLE


@examples(200)
@given(
    st.integers(0, len(written())),
    st.sampled_from([*'{}",:不 \n', "\u2028", "\ud800", "\\ud800", "null", "<|im_end|>"]),
)
def test_whatever_is_read_can_be_written_down(place: int, sign: str) -> None:
    reading = read_critic(written()[:place] + sign + written()[place:])
    assert to_line(reading)
    assert reading == UNREADABLE or reading.format_ok


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "通过",
        "候选判定成立，可以通过。",
        f"```json\n{written()}\n```",
        f"{written()}。",
        f"{written()} {written()}",
        f"[{written()}]",
        f"{written()}\n",
        json.dumps(GOOD, ensure_ascii=False, indent=1),
        written(score=0.9),
        json.dumps({key: GOOD[key] for key in list(GOOD)[:-1]}),
        written()[:-1] + ', "verdict": "不通过"}',
        written(verdict="人工复核"),
        written(verdict="合格"),
        written(verdict="通过 "),
        written(verdict=True),
        written(verdict=None),
        written(verdict=["通过"]),
        written(recommended_action="pass"),
        written(needs_recheck=0),
        written(needs_recheck="false"),
        written(needs_recheck=None),
        written(evidence_sufficiency=1.0),
        written(summary=None),
        written(summary=["有"]),
        written(critique=7),
        written(critique="成立<|im_end|>"),
        json.dumps(GOOD | {"critique": "\ud800"}),
        written(summary=float("nan")),
        written(summary="{}").replace('"{}"', "9" * 5000),
        written(summary="{}").replace('"{}"', "[" * 100_000),
        written(summary="一\u2028二"),
        "\ufeff" + written(),
    ],
)
def test_what_is_not_exactly_the_critic_s_json_is_unreadable(text: str) -> None:
    assert read_critic(text) == UNREADABLE


def test_an_answer_cut_off_is_unreadable_even_if_it_is_whole() -> None:
    assert read_critic(written()).format_ok
    assert read_critic(written(), cut_off=True) == UNREADABLE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"needs_recheck": True}, {ReviewReason.CRITIC_ASKS}),
        ({"verdict": "不通过"}, {ReviewReason.CRITIC_ASKS}),
        ({"recommended_action": "人工复核"}, {ReviewReason.CRITIC_ASKS}),
        ({"recommended_action": "不通过"}, {ReviewReason.CRITIC_ASKS}),
        ({"verdict": "不通过", "recommended_action": "不通过"}, {ReviewReason.CRITIC_ASKS}),
        ({"evidence_sufficiency": False}, {ReviewReason.EVIDENCE_INSUFFICIENT}),
        (
            {"evidence_sufficiency": False, "needs_recheck": True},
            {ReviewReason.CRITIC_ASKS, ReviewReason.EVIDENCE_INSUFFICIENT},
        ),
    ],
)
def test_a_critic_asks_for_a_person_and_nothing_else(changes: dict[str, Any], expected: set[ReviewReason]) -> None:
    assert flags(critic(**changes), Verdict.PASS) == expected


def test_a_critic_of_a_failure_that_agrees_has_no_doubts() -> None:
    assert flags(critic(verdict="不通过", recommended_action="不通过"), Verdict.FAIL) == set()
    assert flags(critic(), Verdict.FAIL) == {ReviewReason.CRITIC_ASKS}


def test_an_unreadable_critic_says_nothing_of_a_verdict() -> None:
    assert flags(UNREADABLE, Verdict.PASS) == flags(UNREADABLE, Verdict.FAIL) == set()


@pytest.mark.parametrize(
    ("read_well", "unread", "mostly"), [(0, 0, False), (1, 0, False), (0, 1, True), (1, 1, True), (2, 1, False)]
)
def test_a_critic_is_unreadable_when_at_least_half_of_its_answers_are(
    read_well: int, unread: int, mostly: bool
) -> None:
    assert mostly_unreadable([critic()] * read_well + [UNREADABLE] * unread) is mostly


def test_another_share_of_unreadable_answers_can_be_set() -> None:
    asked = [critic()] * 9 + [UNREADABLE]
    assert mostly_unreadable(asked, 0.1)
    assert not mostly_unreadable(asked, 0.11)


def test_the_candidate_follows_a_ticket_as_the_model_wrote_it() -> None:
    answer = "Verdict: 通过\nReason: 有BBU设备（image_1）\nConfidence: 0.93"
    text = candidate_text(answer)
    assert text == f"\n候选判定：\n{answer}"
    assert read(text.split("：\n", 1)[1]).verdict is Verdict.PASS
