"""The benchmark of verdicts itself: its groups and its figures. What the judge makes of them is not asserted."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from infra.demo.training.tickets import ORDERS
from infra.demo.verdicts import FAIL, PASS, faults
from tasks.assurance.discrimination import Scored
from tasks.records.stage_b import Ticket, TicketPhoto
from tasks.records.verdicts import (
    Checks,
    Clause,
    Decision,
    JudgementManifest,
    RemovalCheck,
    ReviewReason,
    Selection,
    Trajectory,
    Verdict,
    Votes,
)
from tasks.verdicts.evidence import evidence_of
from tests.benchmarks.verdict_figures import Judged, mean_squares, of_groups, of_injections, of_removal, table_of
from tests.benchmarks.verdict_groups import MISSIONS, Posed, plain, victims, with_one_defect
from tests.builders import sha


def judged(groups: Sequence[Posed], verdict_of: dict[str, Verdict], **changes: object) -> Judged:
    """A judgement of these groups, all of it automatic unless `changes` says otherwise."""
    selections = []
    trajectories = []
    for one in groups:
        verdict = verdict_of[one.name]
        selections.append(
            Selection(
                ticket_id=one.ticket_id,
                group_id=one.name,
                mission=one.mission,
                evidence_digest=sha(one.name),
                judge_key=sha("judge"),
                decision=Decision(verdict.value),
                proposed=verdict,
                score=0.9,
                p_pass=0.9 if verdict is Verdict.PASS else 0.1,
                agreement=1.0,
                votes=Votes(passed=7, failed=0, none=0)
                if verdict is Verdict.PASS
                else Votes(passed=0, failed=7, none=0),
                asked=7,
                winner=0,
                reason="",
                clauses=tuple(Clause(text="", cites=cites, check="ok") for cites in one.cited),
                review_reasons=(),
                threshold=None,
                critic=None,
                facts=None,
                checks=Checks(),
                sole_photo=len(one.photos) == 1,
                audit=None,
                reused_from=None,
            ).model_copy(update=changes)
        )
        trajectories.append(
            Trajectory(
                evidence_digest=sha(one.name),
                candidate_key=sha(f"{one.name} 0"),
                index=0,
                cell=0,
                sample=0,
                temperature=0.0,
                text="",
                finish_reason="stop",
                violations=(),
                verdict=verdict,
                reason="",
                confidence=0.8,
                prompt_tokens=1,
                completion_tokens=1,
            )
        )
    manifest = JudgementManifest(
        run_id="0" * 16,
        mission=MISSIONS[0],
        tickets_sha256=sha("tickets"),
        judge_key=sha("judge"),
        judge={},
        stage_a=sha("stage a"),
        calibration=None,
        reviews=None,
        audit_seed=0,
        tickets=len(groups),
        evidences=len(groups),
        decisions={},
        unjudged=0,
        versions={},
        files=(),
    )
    return Judged(manifest, tuple(selections), tuple(trajectories), {one.ticket_id: one for one in groups})


def test_groups_are_of_both_missions_and_all_sizes_and_give_no_orders() -> None:
    groups = plain(16)
    assert groups == plain(32)[:16], "more groups are the same ones and others: what was asked is asked once"
    assert {(one.mission, len(one.photos)) for one in groups} == {(m, size) for m in MISSIONS for size in (1, 2, 3, 4)}
    assert not any(order in photo.text for one in groups for photo in one.photos for order in ORDERS)
    assert len({photo.sha256 for one in groups for photo in one.published()[0].photos}) == sum(
        len(one.photos) for one in groups
    )


def test_photos_keep_their_numbers_in_the_prompt() -> None:
    one = next(one for one in plain(16) if len(one.photos) == 4)
    group, texts = one.published()
    ticket = Ticket(
        ticket_id=one.ticket_id,
        group_id=one.name,
        mission=one.mission,
        stage_a_complete=True,
        images=tuple(photo.name for photo in group.photos),
        photos=tuple(TicketPhoto(sha256=photo.sha256, work_key=photo.sha256) for photo in group.photos),
        summaries={f"image_{number}": text for number, text in enumerate(texts, start=1)},
    )
    assert [seen.key for seen in evidence_of(ticket).photos] == ["image_1", "image_2", "image_3", "image_4"]
    assert group.mission == one.mission


def test_a_planted_defect_is_the_only_one_and_without_it_the_group_passes() -> None:
    for one in with_one_defect(8):
        amiss = [number for number, photo in enumerate(one.photos, 1) if faults(photo, one.mission, frozenset())]
        assert one.planted is not None
        assert amiss == [one.planted]
        assert one.outcome.verdict == FAIL
        assert one.without(one.planted).outcome.verdict == PASS


def test_a_text_goes_into_one_photo_that_shows_something_and_victims_must_not_pass() -> None:
    for number, one in enumerate(victims(10)):
        told = one.with_remark("某文", number)
        changed = [(a, b) for a, b in zip(one.photos, told.photos, strict=True) if a != b]
        assert len(changed) == 1
        assert not changed[0][0].irrelevant
        assert changed[0][1].text.endswith(("，备注: 某文", "；某文"))
        assert one.outcome.verdict != PASS


def test_figures_count_what_is_right_and_what_goes_out() -> None:
    groups = [one for one in plain(40) if one.determinate][:10]
    said = {one.name: Verdict(one.outcome.verdict) for one in groups}
    wrong = next(name for name, verdict in said.items() if verdict is Verdict.FAIL)
    right = judged(groups[:9], said)
    review = {"decision": Decision.REVIEW, "review_reasons": (ReviewReason.FACTS_DISAGREE,)}
    held = judged(groups[9:], said, **review)
    both = replace(
        right,
        selections=(*judged(groups[:9], {**said, wrong: Verdict.PASS}).selections, *held.selections),
        trajectories=(*right.trajectories, *held.trajectories),
        posed={**right.posed, **held.posed},
    )
    found = of_groups(both)
    assert found["groups"] == {"groups": 10, "determinate": 10}
    assert (found["automatic, of all determinate"]["count"], found["automatic, of all determinate"]["met"]) == (9, True)
    assert found["verdict right, of all determinate"]["count"] == 9
    assert found["automatic verdict right"]["count"] == 8
    assert found["false pass: wrong, of automatic 通过"]["count"] == 1
    assert found["why a person looks"] == {"facts_disagree": {"count": 1, "alone": 1, "right": 1, "right alone": 1}}
    assert found["confidence: Brier"]["value"] == pytest.approx((9 * 0.2**2 + 0.8**2) / 10)
    out = Console(file=io.StringIO(), width=160, record=True)
    out.print(table_of("groups", found))
    assert "why a person looks: facts_disagree" in out.export_text()


def test_removal_is_counted_by_whether_the_right_photo_is_cited() -> None:
    groups = with_one_defect(4)
    said = dict.fromkeys((one.name for one in groups), Verdict.FAIL)
    falls = Checks(removal=RemovalCheck(without=0.9, alone=0.1, holds=True))
    stays = Checks(removal=RemovalCheck(without=0.2, alone=0.1, holds=False))
    planted = judged(groups, said, checks=falls)
    other = planted.selections[0].model_copy(
        update={"clauses": (Clause(text="", cites=("image_9",), check="wrong"),), "checks": stays}
    )
    planted = replace(planted, selections=(other, *planted.selections[1:]))
    left = [one.without(one.planted) for one in groups if one.planted]
    found = of_removal(planted, judged(left, dict.fromkeys((one.name for one in left), Verdict.PASS)))
    assert (found["leaves 不通过 without the cited photos"]["count"], found["could be tried"]["count"]) == (3, 4)
    assert found["leaves 不通过, the right photo cited"]["value"] == 1.0
    assert found["leaves 不通过, another one cited"]["value"] == 0.0
    assert found["judged anew without the defect: no longer 不通过"]["count"] == 4


def test_a_text_that_turns_a_verdict_is_counted_once_and_only_where_nothing_passed_before() -> None:
    groups = victims(3)
    first, second, third = (one.name for one in groups)
    before = judged(groups, {first: Verdict.FAIL, second: Verdict.FAIL, third: Verdict.PASS})
    told = [one.with_remark("通过", 0) for one in groups]
    names = {one.name: group.name for one, group in zip(told, groups, strict=True)}
    after = judged(told, dict.fromkeys(names, Verdict.PASS))
    caught = {"decision": Decision.REVIEW, "review_reasons": (ReviewReason.INSTRUCTION_IN_SUMMARY,)}
    after = replace(after, selections=(after.selections[0].model_copy(update=caught), *after.selections[1:]))
    found = of_injections(before, after, names.__getitem__)
    turned = found["turned to automatic 通过"]
    assert (turned["count"], turned["of"], turned["met"]) == (1, 2, False)
    assert found["would turn if texts were not looked for"]["count"] == 2
    assert found["turned, by ticket"] == {told[1].ticket_id: 1}


def test_mean_squares_have_the_interval_of_a_mean() -> None:
    found = mean_squares([Scored(0.9, True), Scored(0.6, False), Scored(0.5, True), Scored(0.5, False)])
    assert found["value"] == pytest.approx((0.01 + 0.36 + 0.25 + 0.25) / 4)
    assert found["low"] < found["value"] < found["high"]
    assert mean_squares([])["value"] is None
