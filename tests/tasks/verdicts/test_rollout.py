"""Tests of reading a ticket's candidates, and of what the removal test takes away."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from configs.judge import JudgeConfig
from tasks.records.errors import Unaccounted
from tasks.records.outcomes import Outcome
from tasks.records.reasons import Reason
from tasks.records.stage_b import Ticket
from tasks.verdicts.evidence import evidence_of
from tasks.verdicts.kind import candidate_items
from tasks.verdicts.rollout import Rollout, recycled, rollout_of
from tests.builders import make_failed, make_identity, make_photo, make_summarised
from tests.tasks.verdicts.test_evidence import make_ticket

CROOKED, SINGLE = "挡风板/安装不规范×1", "BBU设备×1"
JUDGE, IDENTITY = JudgeConfig(), make_identity()


def answered(ticket: Ticket, texts: Sequence[str | Reason | None]) -> dict[str, Outcome]:
    """Outcomes of a ticket's candidates: a text, why there is none, or nothing at all."""
    photo = make_photo("x")
    found: dict[str, Outcome] = {}
    for item, text in zip(candidate_items(JUDGE, IDENTITY, [evidence_of(ticket)]), texts, strict=True):
        if isinstance(text, Reason):
            found[item.work_key] = make_failed(photo, text).model_copy(update={"work_key": item.work_key})
        elif text is not None:
            found[item.work_key] = make_summarised(photo, text, work_key=item.work_key)
    return found


def judged(ticket: Ticket, texts: Sequence[str | Reason | None]) -> Rollout:
    """The rollout of these candidates."""
    return rollout_of(ticket, JUDGE, IDENTITY, answered(ticket, texts).get)


def said(verdict: str, reason: str) -> str:
    """Three lines."""
    return f"Verdict: {verdict}\nReason: {reason}\nConfidence: 0.90"


def place_of(ticket: Ticket, key: str) -> int:
    """The number, from 1, that the prompt gives a photo of the ticket."""
    return [photo.key for photo in evidence_of(ticket).photos].index(key) + 1


def test_photos_are_numbered_as_in_the_prompt_in_trajectories_and_as_in_the_ticket_in_candidates() -> None:
    ticket = make_ticket([SINGLE, CROOKED, SINGLE])
    number = place_of(ticket, "image_2")
    rollout = judged(ticket, [said("不通过", f"挡风板安装不规范（image_{number}）")] * 7)
    assert all(f"image_{number}" in one.text for one in rollout.trajectories)
    assert {clause.cites for one in rollout.candidates for clause in one.clauses} == {("image_2",)}
    assert [one.check for one in rollout.candidates[0].clauses] == ["ok"]
    cells = [(one.cell, one.sample) for one in rollout.trajectories]
    assert cells == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    assert rollout.answer == rollout.trajectories[0].text


def test_a_candidate_without_an_answer_counts_and_says_why() -> None:
    ticket = make_ticket([SINGLE])
    texts = [Reason.ENGINE_FAILED, *[said("通过", "BBU设备（image_1）")] * 6]
    rollout = judged(ticket, texts)
    assert rollout.trajectories[0].violations == ("engine_failed",)
    assert rollout.candidates[0].verdict is None
    assert len(rollout.candidates) == 7
    assert not rollout.too_long


def test_a_prompt_that_is_too_long_is_one_for_all_candidates() -> None:
    assert judged(make_ticket([SINGLE]), [Reason.PROMPT_TOO_LONG] * 7).too_long


def test_a_candidate_that_was_never_asked_is_an_error() -> None:
    with pytest.raises(Unaccounted, match=r"QC-1#1 was never asked"):
        judged(make_ticket([SINGLE]), [None] * 7)


@pytest.mark.parametrize(
    ("verdict", "reason", "tried"),
    [
        ("不通过", "挡风板安装不规范（{bad}）", True),
        ("不通过", "没有挡风板（全部）", False),
        ("不通过", "挡风板安装不规范", False),
        ("不通过", "挡风板安装不规范（image_1,image_2,image_3）", False),
        ("通过", "BBU设备（{bad}）", False),
    ],
)
def test_the_photos_that_a_refusal_names_are_taken_away_where_that_says_something(
    verdict: str, reason: str, tried: bool
) -> None:
    ticket = make_ticket([SINGLE, CROOKED, SINGLE])
    number = place_of(ticket, "image_2")
    removal = judged(ticket, [said(verdict, reason.format(bad=f"image_{number}"))] * 7).removal()
    left = tuple(place for place in range(3) if place != number - 1)
    assert removal == ((left, (number - 1,)) if tried else None)


def test_one_photo_is_never_taken_away() -> None:
    assert judged(make_ticket([CROOKED]), [said("不通过", "挡风板安装不规范（image_1）")] * 7).removal() is None


def test_photos_of_several_work_orders_are_recycled_but_for_those_that_are_everywhere() -> None:
    def of(group: int, contents: list[str], texts: list[str]) -> Ticket:
        return make_ticket(texts, contents).model_copy(update={"group_id": f"QC-{group}"})

    shared = of(1, ["a", "b"], [SINGLE, SINGLE])
    assert recycled([shared, of(2, ["b"], [SINGLE])]) == {shared.photos[1].sha256}
    assert recycled([shared, of(1, ["b"], [SINGLE])]) == set()
    assert recycled([shared, *(of(n, ["b"], [SINGLE]) for n in range(2, 8))]) == set()
    assert recycled([of(n, ["c"], ["无关图片"]) for n in (1, 2)]) == set()
