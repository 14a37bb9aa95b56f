"""Tests of the grammar of an answer: whatever a text is, it votes or every rule that it breaks is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.verdicts import Clause, Verdict
from tasks.verdicts.answers import ALL, Reading, Violation, read, read_reason, renumbered
from tests.builders import examples
from tests.hangs import no_hang

WHOLE = "Verdict: 通过\nReason: BBU设备存在（image_1）\nConfidence: 0.93"


def said(text: str, cites: tuple[str, ...] = ()) -> Clause:
    return Clause(text=text, cites=cites, check="uncited")


def wording(clause: Clause) -> str:
    return f"{clause.text}（{','.join(clause.cites)}）" if clause.cites else clause.text


claims = st.text("设备挡风板没有缺少BBU5900:×，、（）-", min_size=1, max_size=8).filter(
    lambda text: any(map(str.isalnum, text)) and not text.endswith("）")
)
cited = st.lists(st.integers(1, 60).map("image_{}".format), min_size=1, max_size=4, unique=True).map(tuple)
clauses = st.builds(said, claims, cited | st.just((ALL,)))
reasons = st.lists(clauses, min_size=1, max_size=4).map(lambda expected: "；".join(map(wording, expected)))
confidences = st.integers(0, 100).map(lambda share: f"{share / 100:.2f}")
answers = st.builds(
    "Verdict: {}\nReason: {}\nConfidence: {}".format, st.sampled_from([*Verdict]).map(str), reasons, confidences
)
broken = st.text("Verdict: 通过不\nReasonConfidence0.9；（）image_1,全部<|im_end|>\u200b\ufffd ", max_size=60)
"""Texts of the same signs, hardly ever answers."""


@examples(200)
@given(st.sampled_from([*Verdict]), st.lists(clauses, min_size=1, max_size=4), st.integers(0, 100))
def test_an_answer_is_read_as_it_was_written(verdict: Verdict, expected: list[Clause], sure: int) -> None:
    reason = "；".join(map(wording, expected))
    reading = read(f"Verdict: {verdict}\nReason: {reason}\nConfidence: {sure / 100:.2f}")
    assert reading == Reading(verdict, reason, tuple(expected), sure / 100, ())


@examples(300)
@given(st.text(st.characters()) | broken | answers, st.booleans())
def test_reading_never_raises_and_what_breaks_a_rule_says_nothing(text: str, cut_off: bool) -> None:
    reading = read(text, cut_off=cut_off)
    assert len(set(reading.violations)) == len(reading.violations)
    assert (Violation.CUT_OFF in reading.violations) is cut_off
    votes = set(reading.violations) <= {Violation.BAD_CONFIDENCE}
    assert (reading.verdict is not None) is (reading.reason is not None) is bool(reading.clauses) is votes
    assert (reading.confidence is not None) is (not reading.violations)
    if votes:
        assert text.startswith(f"Verdict: {reading.verdict}\nReason: {reading.reason}\nConfidence:")
        assert len(text.splitlines()) == 3


@examples(300)
@given(answers, st.integers(0, 200), st.sampled_from([*"\n 。V；", "\r", "\u2028", "\u200b", "<|im_end|>", "\ufffd"]))
def test_a_sign_put_anywhere_is_named_or_stands_in_the_reason(answer: str, place: int, sign: str) -> None:
    text = answer[:place] + sign + answer[place:]
    reading = read(text)
    assert reading.violations or sign in (reading.reason or "")


@examples(200)
@given(answers, st.data())
def test_no_beginning_of_an_answer_votes_before_its_last_line(answer: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, answer.rindex("\nConfidence:") + len("\nConfidence")))
    assert read(answer[:place]).verdict is None


@pytest.mark.parametrize(
    ("text", "violations"),
    [
        ("", {"missing_line"}),
        ("通过", {"missing_line", "extra_line"}),
        ("Verdict: 通过\nReason: 有（全部）", {"missing_line"}),
        ("Verdict: 通过\nConfidence: 0.90\nReason: 有（全部）", {"missing_line"}),
        ("Verdict:通过\nReason: 有（全部）\nConfidence: 0.90", {"missing_line", "extra_line"}),
        ("Verdict：通过\nReason: 有（全部）\nConfidence: 0.90", {"missing_line", "extra_line"}),
        ("verdict: 通过\nReason: 有（全部）\nConfidence: 0.90", {"missing_line", "extra_line"}),
        (f"好的：\n{WHOLE}", {"extra_line"}),
        (f"{WHOLE}\n", {"extra_line"}),
        (f"{WHOLE}\n{WHOLE}", {"extra_line"}),
        (WHOLE.replace("通过", "合格"), {"bad_verdict"}),
        (WHOLE.replace("通过", ""), {"bad_verdict"}),
        (WHOLE.replace(" 通过", ""), {"bad_verdict"}),
        (WHOLE.replace("通过", "通过 "), {"bad_verdict"}),
        (WHOLE.replace("通过", "人工复核"), {"bad_verdict"}),
        (WHOLE.replace("通过", "不通过|通过"), {"bad_verdict", "both_verdicts"}),
        (f"Verdict: 不通过\n{WHOLE}", {"extra_line", "both_verdicts"}),
        ("Verdict: 通过\nReason: \nConfidence: 0.90", {"empty_reason"}),
        ("Verdict: 通过\nReason:\nConfidence: 0.90", {"empty_reason"}),
        ("Verdict: 通过\nReason: ；。（image_1）\nConfidence: 0.90", {"empty_reason"}),
        (WHOLE.replace("BBU", "BBU<|im_end|>"), {"special_token"}),
        (WHOLE.replace("BBU", "BBU</think>"), {"special_token"}),
        (WHOLE.replace("BBU", "BBU\u200b"), {"invisible_sign"}),
        (WHOLE.replace("BBU", "BBU\ufffd"), {"invisible_sign"}),
        (WHOLE.replace("BBU", "BBU\u2028"), {"invisible_sign"}),
        (WHOLE.replace("\n", "\r\n"), {"bad_verdict", "invisible_sign"}),
    ],
)
def test_every_broken_rule_is_named_and_costs_the_vote(text: str, violations: set[str]) -> None:
    reading = read(text)
    assert set(reading.violations) == violations
    assert reading.verdict is None


@pytest.mark.parametrize(
    "told", ["0.9", "0.933", "1.01", "1.0", "1", "-0.10", ".93", "93%", "０.93", "0.93 ", "高", "0.93。"]
)
def test_a_bad_confidence_alone_does_not_cost_the_vote(told: str) -> None:
    reading = read(WHOLE.replace("0.93", told))
    assert reading.violations == (Violation.BAD_CONFIDENCE,)
    assert (reading.verdict, reading.reason, reading.confidence) == (Verdict.PASS, "BBU设备存在（image_1）", None)


def test_an_answer_cut_off_has_no_vote_even_if_it_is_whole() -> None:
    assert read(WHOLE, cut_off=True) == Reading(None, None, (), None, (Violation.CUT_OFF,))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("有BBU设备（image_2,image_5）", [said("有BBU设备", ("image_2", "image_5"))]),
        ("没有挡风板（全部）", [said("没有挡风板", (ALL,))]),
        ("甲（image_1）；乙（image_2）", [said("甲", ("image_1",)), said("乙", ("image_2",))]),
        ("甲（image_9999）", [said("甲", ("image_9999",))]),
        ("甲（image_1,image_1）", [said("甲", ("image_1",))]),
        ("设备（华为）正常（image_1）", [said("设备（华为）正常", ("image_1",))]),
        ("甲", [said("甲")]),
        ("甲（image_0）", [said("甲（image_0）")]),
        ("甲（image_01）", [said("甲（image_01）")]),
        ("甲（image_10000）", [said("甲（image_10000）")]),
        ("甲（image_1、image_2）", [said("甲（image_1、image_2）")]),
        ("甲（image_1, image_2）", [said("甲（image_1, image_2）")]),
        ("甲（全部,image_1）", [said("甲（全部,image_1）")]),
        ("甲（照片1）", [said("甲（照片1）")]),
        ("甲（）", [said("甲（）")]),
        ("甲(image_1)", [said("甲(image_1)")]),
        ("甲（image_1）。", [said("甲（image_1）。")]),
        ("甲（image_1", [said("甲（image_1")]),
        ("（image_1）", [said("（image_1）")]),
        ("甲（image_1）；", [said("甲", ("image_1",)), said("")]),
        ("甲（image_1；image_2）", [said("甲（image_1"), said("image_2）")]),
    ],
)
def test_a_clause_cites_what_its_last_brackets_name_and_nothing_in_any_other_form(
    reason: str, expected: list[Clause]
) -> None:
    assert read_reason(reason) == tuple(expected)


def test_photos_get_the_ticket_s_own_keys_all_at_once() -> None:
    reason = "image_1见BBU设备×2（image_1,image_2）；缺挡风板（全部）；乙（image_3,image_4）"
    text = f"Verdict: 不通过\nReason: {reason}\nConfidence: 0.90"
    own = renumbered(read(text), ["image_2", "image_3", "image_1"])
    assert own.reason == "image_2见BBU设备×2（image_2,image_3）；缺挡风板（全部）；乙（image_1,image_4）"
    assert own.clauses == (
        said("image_2见BBU设备×2", ("image_2", "image_3")),
        said("缺挡风板", (ALL,)),
        said("乙", ("image_1", "image_4")),
    )
    assert (own.verdict, own.confidence, own.violations) == (Verdict.FAIL, 0.9, ())


def test_what_only_looks_like_a_photo_is_not_renumbered() -> None:
    text = "Verdict: 通过\nReason: image_0和image_01和my_image_1和image_12（image_1）\nConfidence: 0.90"
    assert renumbered(read(text), ["image_2", "image_1"]).reason == "image_0和image_01和my_image_1和image_12（image_2）"


@examples(100)
@given(answers, st.permutations(range(1, 13)))
def test_renumbering_back_gives_the_same_reading(answer: str, order: list[int]) -> None:
    reading = read(answer)
    there = [f"image_{number}" for number in order]
    back = [f"image_{order.index(number) + 1}" for number in range(1, len(order) + 1)]
    moved = renumbered(reading, there)
    assert renumbered(moved, back) == reading
    assert read_reason(moved.reason or "") == moved.clauses
    assert [len(clause.cites) for clause in moved.clauses] == [len(clause.cites) for clause in reading.clauses]


def test_an_answer_without_a_vote_has_nothing_to_renumber() -> None:
    assert renumbered(read("通过"), ["image_1"]) == read("通过")


def test_a_long_text_of_brackets_is_read_in_no_time() -> None:
    with no_hang():
        read(f"Verdict: 通过\nReason: {'（image_1,' * 20_000}\nConfidence: 0.90")
        read(f"Verdict: 通过\nReason: {'甲（' + 'image_1,' * 20_000}\nConfidence: 0.90")
