"""Tests of selection: a verdict goes out only without any doubt, and no doubt ever becomes 不通过."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.reasons import Reason
from tasks.records.stage_b import Ticket, TicketPhoto
from tasks.records.verdicts import (
    Checks,
    Clause,
    CriticReading,
    Decision,
    FactsReading,
    OrderCheck,
    RemovalCheck,
    ReviewReason,
    Selection,
    Verdict,
)
from tasks.verdicts.select import Findings, Gates, select
from tasks.verdicts.votes import Candidate, winner_of
from tests.builders import MISSION, examples, sha

CERTIFIED = {Verdict.PASS: 0.9, Verdict.FAIL: 0.8}
SURE = {Verdict.PASS: 0.97, Verdict.FAIL: 0.03}
AGREES = {
    verdict: CriticReading(
        format_ok=True,
        summary="有BBU设备",
        critique="依据成立",
        verdict=verdict,
        needs_recheck=False,
        evidence_sufficiency=True,
        recommended_action=Decision(verdict.value),
    )
    for verdict in Verdict
}
STEADY = Checks(
    order=OrderCheck(p_pass=(0.97, 0.96, 0.97), flips=False), removal=RemovalCheck(without=None, alone=0.9, holds=True)
)
OTHER = {Verdict.PASS: Verdict.FAIL, Verdict.FAIL: Verdict.PASS}


def ticket(photos: int = 2, complete: bool = True, missing: tuple[Reason, ...] = ()) -> Ticket:
    return Ticket(
        ticket_id="QC-0001#1",
        group_id="QC-0001",
        mission=MISSION,
        stage_a_complete=complete,
        images=tuple(f"{number}.jpg" for number in range(photos)),
        photos=tuple(TicketPhoto(sha256=sha(f"photo {number}"), work_key=sha("work")) for number in range(photos)),
        summaries={f"image_{number}": "BBU设备×1" for number in range(1, photos + 1)},
        missing=missing,
    )


def clause(check: Literal["ok", "wrong", "uncited"] = "ok") -> Clause:
    return Clause(text="有BBU设备", cites=() if check == "uncited" else ("image_1",), check=check)


def candidates(
    passed: int, failed: int = 0, none: int = 0, told: tuple[Clause, ...] = (clause(),)
) -> tuple[Candidate, ...]:
    verdicts = [Verdict.PASS] * passed + [Verdict.FAIL] * failed + [None] * none
    return tuple(
        Candidate(index, 0.5, verdict, f"依据{index}", 0.9, told) if verdict else Candidate(index, 0.5, None)
        for index, verdict in enumerate(verdicts)
    )


def findings(verdict: Verdict = Verdict.PASS, **changes: Any) -> Findings:
    """What is found out where there is nothing to doubt."""
    return Findings(
        **{
            "candidates": candidates(7) if verdict is Verdict.PASS else candidates(0, 7),
            "p_pass": SURE[verdict],
            "facts": FactsReading(verdict=verdict),
            "critic": AGREES[verdict],
            "checks": STEADY,
            **changes,
        }
    )


def decided(
    found: Findings,
    of: Ticket | None = None,
    thresholds: dict[Verdict, float] = CERTIFIED,
    gates: Gates | None = None,
    recycled: bool = False,
) -> Selection:
    return select(of or ticket(), sha("evidence"), sha("judge"), found, thresholds, gates or Gates(), recycled=recycled)


def reasons(*args: Any, **named: Any) -> list[str]:
    return [reason.value for reason in decided(*args, **named).review_reasons]


def test_a_verdict_without_any_doubt_goes_out() -> None:
    for verdict in Verdict:
        selection = decided(findings(verdict))
        assert selection.review_reasons == ()
        assert selection.decision.value == selection.proposed == verdict
        assert (selection.winner, selection.reason, selection.clauses) == (0, "依据0", (clause(),))
        assert (selection.asked, selection.agreement, selection.threshold) == (7, 1.0, CERTIFIED[verdict])
        assert selection.score == pytest.approx(0.97)
        assert (selection.evidence_digest, selection.judge_key) == (sha("evidence"), sha("judge"))
        assert not selection.sole_photo
        assert selection.audit is selection.reused_from is None


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ((7, 0, 0), []),
        ((6, 1, 0), []),
        ((6, 0, 1), []),
        ((4, 1, 0), []),
        ((5, 2, 0), ["low_agreement"]),
        ((4, 3, 0), ["low_agreement"]),
        ((4, 0, 3), ["low_agreement"]),
        ((3, 3, 1), ["tie", "low_agreement"]),
        ((3, 2, 2), ["tie", "low_agreement"]),
        ((3, 3, 0), ["tie", "low_agreement"]),
        ((3, 0, 3), ["tie", "low_agreement"]),
        ((3, 0, 4), ["few_candidates_parse", "tie", "low_agreement"]),
        ((2, 0, 4), ["few_candidates_parse", "tie", "low_agreement"]),
        ((0, 0, 7), ["no_candidate_parses", "few_candidates_parse", "tie", "low_agreement"]),
        ((0, 0, 0), ["no_candidate_parses", "tie", "low_agreement"]),
    ],
)
def test_doubtful_votes_are_told(votes: tuple[int, int, int], expected: list[str]) -> None:
    assert reasons(findings(candidates=candidates(*votes))) == expected
    mirrored = candidates(votes[1], votes[0], votes[2])
    assert reasons(findings(Verdict.FAIL, candidates=mirrored)) == expected


def test_without_a_majority_there_is_no_winner_and_no_score() -> None:
    for votes in ((3, 3, 1), (0, 0, 7), (0, 0, 0)):
        selection = decided(findings(candidates=candidates(*votes)))
        assert selection.decision is Decision.REVIEW
        assert selection.proposed is selection.winner is selection.reason is selection.score is None
        assert (selection.clauses, selection.p_pass, selection.threshold) == ((), 0.97, None)


@pytest.mark.parametrize(
    ("p_pass", "thresholds", "uncalibrated", "expected"),
    [
        (0.9, CERTIFIED, "review", []),
        (0.89, CERTIFIED, "review", ["below_threshold"]),
        (0.4, CERTIFIED, "review", ["below_threshold"]),
        (0.97, {}, "review", ["uncalibrated"]),
        (0.97, {Verdict.FAIL: 0.8}, "review", ["uncalibrated"]),
        (0.4, {}, "review", ["below_threshold", "uncalibrated"]),
        (0.97, {}, "allow", []),
        (0.5, {}, "allow", []),
        (0.49, {}, "allow", ["below_threshold"]),
        (0.49, {Verdict.PASS: 0.1}, "allow", ["below_threshold"]),
        (0.89, CERTIFIED, "allow", ["below_threshold"]),
    ],
)
def test_a_score_is_held_against_the_threshold_of_its_direction(
    p_pass: float, thresholds: dict[Verdict, float], uncalibrated: Any, expected: list[str]
) -> None:
    assert reasons(findings(p_pass=p_pass), None, thresholds, Gates(uncalibrated=uncalibrated)) == expected


def test_without_log_probabilities_the_share_of_the_votes_is_the_score() -> None:
    selection = decided(findings(p_pass=None, candidates=candidates(6, 0, 1)), thresholds={Verdict.PASS: 6 / 7})
    assert (selection.score, selection.p_pass, selection.review_reasons) == (6 / 7, None, ())
    assert reasons(findings(p_pass=None, candidates=candidates(6, 1)), None, {Verdict.PASS: 1.0}) == ["below_threshold"]


SINGLE = [
    (findings(critic=AGREES[Verdict.FAIL]), ["critic_asks"]),
    (findings(critic=AGREES[Verdict.PASS].model_copy(update={"needs_recheck": True})), ["critic_asks"]),
    (
        findings(critic=AGREES[Verdict.PASS].model_copy(update={"evidence_sufficiency": False})),
        ["evidence_insufficient"],
    ),
    (findings(critic=CriticReading(format_ok=False)), []),
    (findings(critic=CriticReading(format_ok=False), critic_unreadable=True), ["critic_unreadable"]),
    (findings(critic_unreadable=True), ["critic_unreadable"]),
    (findings(critic=None, critic_unreadable=True), []),
    (findings(critic=None), []),
    (findings(facts=FactsReading(verdict=Verdict.FAIL, failing=("exists: BBU设备",))), ["facts_disagree"]),
    (findings(facts=FactsReading(verdict=None)), []),
    (findings(facts=None), []),
    (findings(candidates=candidates(7, told=(clause(), clause("wrong")))), ["claim_not_in_summary"]),
    (findings(candidates=candidates(7, told=(clause("uncited"), clause()))), ["clause_without_photo"]),
    (findings(candidates=candidates(7, told=())), ["clause_without_photo"]),
    (
        findings(candidates=candidates(7, told=(clause("uncited"), clause("wrong")))),
        ["claim_not_in_summary", "clause_without_photo"],
    ),
    (findings(checks=Checks(order=OrderCheck(p_pass=(0.9, 0.2), flips=True))), ["order_changes_verdict"]),
    (findings(checks=Checks(removal=RemovalCheck(without=0.1, alone=0.1, holds=False))), ["reason_not_decisive"]),
    (findings(checks=Checks()), []),
    (findings(instruction=True), ["instruction_in_summary"]),
]


@pytest.mark.parametrize(("found", "expected"), SINGLE)
def test_each_finding_that_casts_doubt_has_its_reason(found: Findings, expected: list[str]) -> None:
    selection = decided(found)
    assert [reason.value for reason in selection.review_reasons] == expected
    assert selection.decision is (Decision.REVIEW if expected else Decision.PASS)
    assert selection.proposed is Verdict.PASS


def test_each_doubt_about_the_photos_has_its_reason() -> None:
    assert reasons(findings(), ticket(complete=False)) == ["incomplete_group"]
    assert reasons(findings(), ticket(complete=False), gates=Gates(incomplete="ignore")) == []
    assert reasons(findings(), ticket(missing=(Reason.CORRUPT_IMAGE,))) == ["photo_quarantined"]
    assert reasons(findings(), recycled=True) == ["recycled_photo"]
    assert decided(findings(), ticket(photos=1)).sole_photo


@pytest.mark.parametrize("name", ["all_irrelevant", "prompt_too_long"])
def test_a_ticket_that_the_judge_cannot_be_asked_about_has_that_reason_alone(name: str) -> None:
    for found in (Findings(**{name: True}), findings(**{name: True}), findings(Verdict.FAIL, **{name: True})):
        selection = decided(found, thresholds={})
        assert [reason.value for reason in selection.review_reasons] == [name]
        assert (selection.decision, selection.proposed, selection.winner) == (Decision.REVIEW, None, None)
        assert (selection.asked, selection.agreement, selection.score) == (0, 0.0, None)


def test_all_reasons_that_apply_are_told_gravest_first() -> None:
    found = findings(
        candidates=candidates(4, 3, told=(clause("wrong"), clause("uncited"))),
        p_pass=0.3,
        facts=FactsReading(verdict=Verdict.FAIL),
        critic=AGREES[Verdict.FAIL].model_copy(update={"evidence_sufficiency": False}),
        critic_unreadable=True,
        checks=Checks(
            order=OrderCheck(p_pass=(0.3, 0.6), flips=True), removal=RemovalCheck(without=0.1, alone=0.2, holds=False)
        ),
        instruction=True,
    )
    told = decided(found, ticket(complete=False, missing=(Reason.CORRUPT_IMAGE,)), {}, recycled=True)
    absent = {"no_candidate_parses", "few_candidates_parse", "tie", "all_irrelevant", "prompt_too_long"}
    assert told.review_reasons == tuple(reason for reason in ReviewReason if reason.value not in absent)


def test_what_is_switched_off_gives_no_reason_and_is_told_all_the_same() -> None:
    checks = Checks(
        order=OrderCheck(p_pass=(0.9, 0.2), flips=True), removal=RemovalCheck(without=0.1, alone=0.1, holds=False)
    )
    found = findings(critic=AGREES[Verdict.FAIL], critic_unreadable=True, checks=checks)
    selection = decided(found, gates=Gates(critic=False, order=False, removal=False))
    assert (selection.decision, selection.review_reasons) == (Decision.PASS, ())
    assert (selection.critic, selection.checks) == (AGREES[Verdict.FAIL], checks)


def test_the_winner_is_the_candidate_that_was_to_be_checked() -> None:
    told = candidates(4, 3)
    better = replace(told[2], confidence=0.95)
    mixed = (*told[:2], better, *told[3:])
    assert winner_of(mixed) == better
    assert decided(findings(candidates=mixed)).winner == 2
    assert winner_of(candidates(3, 3, 1)) is None


# Properties, over everything that can be found out.

clauses = st.lists(st.sampled_from(["ok", "wrong", "uncited"]).map(clause), max_size=3).map(tuple)
one_candidate = st.builds(
    Candidate,
    index=st.just(0),
    temperature=st.sampled_from([0.0, 0.5]),
    verdict=st.sampled_from([Verdict.PASS, Verdict.FAIL, Verdict.PASS, Verdict.FAIL, None]),
    reason=st.just("有"),
    confidence=st.none() | st.floats(0, 1),
    clauses=clauses,
)
lopsided = st.builds(candidates, st.integers(0, 7), st.integers(0, 1), st.integers(0, 1)) | st.builds(
    candidates, st.integers(0, 1), st.integers(0, 7), st.integers(0, 1)
)
critics = st.builds(
    CriticReading,
    format_ok=st.just(True),
    summary=st.just("有"),
    critique=st.just("好"),
    verdict=st.sampled_from(Verdict),
    needs_recheck=st.booleans(),
    evidence_sufficiency=st.booleans(),
    recommended_action=st.sampled_from(Decision),
)
anything = st.builds(
    Findings,
    candidates=lopsided
    | st.lists(one_candidate, max_size=7).map(lambda all_: tuple(replace(one, index=i) for i, one in enumerate(all_))),
    p_pass=st.none() | st.floats(0, 1) | st.sampled_from([0.0, 1.0]),
    facts=st.none() | st.builds(FactsReading, verdict=st.sampled_from([*Verdict, None])),
    critic=st.none() | critics | st.just(CriticReading(format_ok=False)),
    critic_unreadable=st.booleans(),
    checks=st.builds(
        Checks,
        order=st.none() | st.builds(OrderCheck, p_pass=st.just((0.9, 0.8)), flips=st.booleans()),
        removal=st.none() | st.builds(RemovalCheck, without=st.just(None), alone=st.just(0.9), holds=st.booleans()),
    ),
    all_irrelevant=st.sampled_from([False, False, False, True]),
    prompt_too_long=st.sampled_from([False, False, False, True]),
    instruction=st.booleans(),
)
tickets = st.builds(ticket, st.integers(1, 3), st.booleans(), st.sampled_from([(), (Reason.CORRUPT_IMAGE,)]))
all_thresholds = st.dictionaries(st.sampled_from(Verdict), st.floats(0, 1))
all_gates = st.builds(
    Gates,
    min_agreement=st.sampled_from([0.0, 0.6, 0.8, 1.0]),
    uncalibrated=st.sampled_from(["review", "allow"]),
    incomplete=st.sampled_from(["review", "ignore"]),
    critic=st.booleans(),
    order=st.booleans(),
    removal=st.booleans(),
)


@examples(500)
@given(anything, tickets, all_thresholds, all_gates, st.booleans())
def test_a_verdict_goes_out_if_and_only_if_there_is_no_reason_for_a_person_and_it_is_the_proposed_one(
    found: Findings, of: Ticket, thresholds: dict[Verdict, float], gates: Gates, recycled: bool
) -> None:
    selection = decided(found, of, thresholds, gates, recycled)
    assert (selection.decision is Decision.REVIEW) is bool(selection.review_reasons)
    assert list(selection.review_reasons) == [one for one in ReviewReason if one in selection.review_reasons]
    if selection.decision is not Decision.REVIEW:
        assert selection.proposed is not None
        assert selection.decision.value == selection.proposed.value
        votes = selection.votes.passed if selection.decision is Decision.PASS else selection.votes.failed
        assert 2 * votes > selection.asked
        assert all(one.check == "ok" for one in selection.clauses)
        assert selection.score is not None
        assert selection.score >= max(0.5, selection.threshold or 0)
    assert (selection.winner is None) is (selection.proposed is None) is (selection.score is None)
    assert Selection.model_validate_json(selection.model_dump_json()) == selection


DOUBTS = ["unread", "agreement", "threshold", "uncalibrated", "critic", "critic_unreadable", "facts", "clause"]
DOUBTS += ["order", "removal", "irrelevant", "too_long", "incomplete", "quarantined", "recycled", "instruction"]


@examples(600)
@given(anything, tickets, all_thresholds, all_gates, st.booleans(), st.sampled_from(DOUBTS), st.integers(0, 6), critics)
def test_one_more_doubt_never_changes_a_decision_but_to_a_person_s(
    found: Findings,
    of: Ticket,
    thresholds: dict[Verdict, float],
    gates: Gates,
    recycled: bool,
    doubt: str,
    place: int,
    critic: CriticReading,
) -> None:
    before = decided(found, of, thresholds, gates, recycled)
    place = min(place, len(found.candidates) - 1)
    flips = OrderCheck(p_pass=(0.9, 0.1), flips=True)
    fails = RemovalCheck(without=0.1, alone=0.1, holds=False)
    match doubt:
        case "unread" if found.candidates:
            silent = replace(found.candidates[place], verdict=None)
            found = replace(found, candidates=(*found.candidates[:place], silent, *found.candidates[place + 1 :]))
        case "agreement":
            gates = replace(gates, min_agreement=1.0)
        case "threshold":
            thresholds = {verdict: (threshold + 1) / 2 for verdict, threshold in thresholds.items()}
        case "uncalibrated":
            thresholds, gates = {}, replace(gates, uncalibrated="review")
        case "critic":
            asks = critic.model_copy(update={"needs_recheck": True, "evidence_sufficiency": False})
            found = replace(found, critic=asks)
        case "critic_unreadable":
            found = replace(found, critic=found.critic or CriticReading(format_ok=False), critic_unreadable=True)
        case "facts" if before.proposed:
            found = replace(found, facts=FactsReading(verdict=OTHER[before.proposed]))
        case "clause":
            worse = [replace(one, clauses=(*one.clauses, clause("wrong"))) for one in found.candidates]
            found = replace(found, candidates=tuple(worse))
        case "order":
            found = replace(found, checks=found.checks.model_copy(update={"order": flips}))
        case "removal":
            found = replace(found, checks=found.checks.model_copy(update={"removal": fails}))
        case "irrelevant":
            found = replace(found, all_irrelevant=True)
        case "too_long":
            found = replace(found, prompt_too_long=True)
        case "incomplete":
            of = of.model_copy(update={"stage_a_complete": False})
        case "quarantined":
            of = of.model_copy(update={"missing": (Reason.CORRUPT_IMAGE,)})
        case "recycled":
            recycled = True
        case "instruction":
            found = replace(found, instruction=True)
    after = decided(found, of, thresholds, gates, recycled)
    assert after.decision in (before.decision, Decision.REVIEW)


def test_over_all_votes_up_to_nine_a_failure_needs_more_than_half_of_all_candidates() -> None:
    lax = Gates(min_agreement=0.0, uncalibrated="allow")
    for passed, failed, none in product(range(10), repeat=3):
        if passed + failed + none <= 9:
            found = Findings(candidates=candidates(passed, failed, none))
            decision = decided(found, thresholds={}, gates=lax).decision
            assert (decision is Decision.FAIL) is (2 * failed > passed + failed + none)
            assert (decision is Decision.PASS) is (2 * passed > passed + failed + none)


@examples(200)
@given(anything, all_thresholds, st.data())
def test_the_order_of_candidates_changes_nothing_but_their_indices(
    found: Findings, thresholds: dict[Verdict, float], data: st.DataObject
) -> None:
    plain = tuple(replace(one, clauses=(clause(),), reason="有", confidence=0.9) for one in found.candidates)
    places = data.draw(st.permutations(range(len(plain))))
    moved = sorted(
        (replace(one, index=place) for one, place in zip(plain, places, strict=True)), key=lambda one: one.index
    )
    before = decided(replace(found, candidates=plain), thresholds=thresholds)
    after = decided(replace(found, candidates=tuple(moved)), thresholds=thresholds)
    assert after.model_copy(update={"winner": None}) == before.model_copy(update={"winner": None})
