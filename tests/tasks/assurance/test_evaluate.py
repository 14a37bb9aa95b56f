"""Metrics of a judgement: counted by hand, unknown where nothing is known, and blind to the order of the lines."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assurance.evaluate import evaluate
from tasks.assurance.rates import Rate, clopper_pearson, unknown, wilson
from tasks.assurance.records import Metrics, Note, ReasonCount, Spent
from tasks.records.jsonl import parse, to_line
from tasks.records.labels import TicketLabel
from tasks.records.reasons import Reason
from tasks.records.stage_b import Unjudged
from tasks.records.verdicts import Checks, Decision, FactsReading, OrderCheck, RemovalCheck, ReviewReason, Selection
from tests.builders import examples, sha
from tests.tasks.assurance.made_up import (
    FAIL,
    PASS,
    make_clause,
    make_critic,
    make_label,
    make_manifest,
    make_selection,
    make_trajectory,
)


def metrics_of(selections: list[Selection], labels: list[TicketLabel], **named: object) -> Metrics:
    """Metrics with one candidate a ticket, unless others are given."""
    trajectories = named.pop("trajectories", [make_trajectory(one) for one in selections])
    return evaluate(make_manifest(selections), selections, trajectories, labels, **named)


def labelled(*told: tuple[Selection, object]) -> tuple[list[Selection], list[TicketLabel]]:
    """Tickets, and the labels of those that have one."""
    return [one for one, _ in told], [make_label(one, truth) for one, truth in told if truth]


def test_automatic_verdicts_and_proposals_are_counted_apart() -> None:
    selections, labels = labelled(
        (make_selection(1, PASS), PASS),
        (make_selection(2, PASS), PASS),
        (make_selection(3, PASS), FAIL),
        (make_selection(4, FAIL), FAIL),
        (make_selection(5, FAIL), PASS),
        (make_selection(6, PASS, reasons=[ReviewReason.LOW_AGREEMENT]), FAIL),
        (make_selection(7, FAIL, reasons=[ReviewReason.CRITIC_ASKS]), FAIL),
        (make_selection(8, None), FAIL),
        (make_selection(9, PASS), None),
    )
    truth = metrics_of(selections, labels).truth
    assert truth.labels == {PASS: 3, FAIL: 5}
    assert truth.accuracy_decided == wilson(3, 5)
    assert truth.accuracy_proposed == wilson(4, 8)
    assert truth.false_pass == clopper_pearson(1, 3)
    assert truth.false_pass_of_bad == clopper_pearson(1, 5)
    assert truth.false_fail == wilson(1, 2)
    assert truth.false_fail_of_good == wilson(1, 3)
    assert truth.proposed_false_pass == clopper_pearson(2, 4)
    assert truth.proposed_false_fail == wilson(1, 3)


def test_what_became_of_tickets_is_told_with_those_that_were_never_judged_beside() -> None:
    selections = [
        make_selection(1, PASS, audit=0.05),
        make_selection(2, FAIL),
        make_selection(3, PASS, reasons=[ReviewReason.TIE, ReviewReason.UNCALIBRATED]),
        make_selection(4, PASS, reasons=[ReviewReason.UNCALIBRATED]),
        make_selection(5, PASS, reused_from="person"),
    ]
    unjudged = [Unjudged(group_id=f"QC-{number}", reason=Reason.EMPTY_GROUP) for number in range(5)]
    told = metrics_of(selections, [], unjudged=unjudged, spent=Spent(asked=5, seconds=1.5))
    tickets = told.tickets
    assert (tickets.tickets, tickets.evidences, tickets.reused, tickets.audited) == (5, 5, 1, 1)
    assert tickets.decisions == {Decision.PASS: 2, Decision.FAIL: 1, Decision.REVIEW: 2}
    assert (tickets.review, tickets.review_with_unjudged) == (wilson(2, 5), wilson(7, 10))
    assert (tickets.unjudged, tickets.unjudged_reasons) == (5, {Reason.EMPTY_GROUP: 5})
    assert list(tickets.review_reasons.items()) == [
        (ReviewReason.TIE, ReasonCount(count=1, alone=0)),
        (ReviewReason.UNCALIBRATED, ReasonCount(count=2, alone=1)),
    ]
    assert (tickets.auto_pass, tickets.auto_fail) == (wilson(1, 5), wilson(1, 5))  # a person's answer is not automatic
    assert told.spent == Spent(asked=5, seconds=1.5)


def test_without_labels_what_needs_them_is_unknown_and_never_none_at_all() -> None:
    told = metrics_of([make_selection(1), make_selection(2, FAIL)], [])
    assert told.notes == (Note.UNLABELLED,)
    rates = [value for _, value in told.truth if isinstance(value, Rate)]
    assert len(rates) == 8
    assert all((rate.value, rate.low, rate.of) == (None, None, 0) for rate in rates)
    assert told.truth.coverage is told.truth.score.brier is told.truth.confidence.right.value is None
    assert told.judge.critic.wrong_if_flagged == unknown()


@pytest.mark.parametrize("only", [PASS, FAIL])
def test_labels_of_one_kind_cannot_tell_how_often_a_verdict_is_wrong(only: object) -> None:
    told = metrics_of(*labelled((make_selection(1, PASS), only), (make_selection(2, FAIL), only)))
    assert told.notes == (Note.ONE_CLASS,)
    truth = told.truth
    for rate in (truth.false_pass, truth.false_fail, truth.proposed_false_pass, truth.proposed_false_fail):
        assert rate.value is None
    assert truth.score.passing.value is None
    assert truth.accuracy_decided == wilson(1, 2)
    given_truth = (truth.false_fail_of_good, truth.false_pass_of_bad)
    assert [rate.of for rate in given_truth] == ([2, 0] if only is PASS else [0, 2])


def test_one_evidence_with_two_labels_is_counted_and_left_out() -> None:
    first, again = make_selection(1), make_selection(1, ticket_id="QC-0001#2")
    other = make_selection(2, FAIL)
    told = metrics_of(*labelled((first, PASS), (again, FAIL), (other, FAIL)))
    assert told.truth.label_conflicts == 1
    assert told.truth.accuracy_decided == wilson(1, 1)
    assert Note.LABEL_CONFLICTS in told.notes
    assert (told.tickets.tickets, told.tickets.evidences) == (3, 2)


def test_copies_of_a_ticket_do_not_make_anything_surer() -> None:
    told = metrics_of(
        *labelled(*((make_selection(1, PASS, ticket_id=f"QC-0001#{number}"), PASS) for number in range(1, 9)))
    )
    assert (told.tickets.tickets, told.judge.proposed) == (8, wilson(1, 1))
    assert told.truth.accuracy_decided == wilson(1, 1)
    waits = make_selection(1, PASS, reasons=[ReviewReason.PHOTO_QUARANTINED])
    out = make_selection(1, PASS, ticket_id="QC-0001#2")
    assert metrics_of(*labelled((waits, FAIL), (out, FAIL))).truth.accuracy_decided == wilson(0, 1)


def test_a_label_of_a_ticket_that_is_not_here_is_told() -> None:
    strange = TicketLabel(ticket_id="QC-9999#1", label=PASS, source="import")
    told = metrics_of([make_selection(1)], [strange])
    assert told.notes == (Note.UNLABELLED, Note.STRANGE_LABELS)


def test_score_and_own_confidence_stand_side_by_side() -> None:
    """The score is low where the verdict is wrong; the confidence is high everywhere."""
    told = [
        (make_selection(number, PASS if number % 2 else FAIL, 0.6 if number % 5 == 0 else 0.95), number)
        for number in range(1, 41)
    ]
    selections = [one for one, _ in told]
    labels = [
        make_label(one, (FAIL if one.proposed is PASS else PASS) if n % 5 == 0 else one.proposed) for one, n in told
    ]
    trajectories = [make_trajectory(one, index, 0.99) for one in selections for index in range(3)]
    truth = metrics_of(selections, labels, trajectories=trajectories).truth
    assert truth.score.right.value == 1.0
    assert truth.confidence.right.value == 0.5
    assert (truth.score.of, truth.confidence.of) == (40, 40)
    assert truth.score.passing.value is not None
    assert truth.score.brier == pytest.approx((8 * 0.6**2 + 32 * 0.05**2) / 40, abs=1e-6)
    assert truth.confidence.brier == pytest.approx((8 * 0.99**2 + 32 * 0.01**2) / 40, abs=1e-6)
    assert truth.confidence.ece == pytest.approx(0.19, abs=1e-6)
    assert truth.coverage is not None
    assert [(point.threshold, point.automatic, point.error) for point in truth.coverage] == [
        (0.95, 32, wilson(0, 32)),
        (0.6, 40, wilson(8, 40)),
    ]


def test_the_confidence_is_the_winners() -> None:
    selection = make_selection(1, winner=2)
    trajectories = [make_trajectory(selection, index, index / 10) for index in range(5)]
    told = metrics_of([selection], [make_label(selection, PASS)], trajectories=trajectories)
    assert told.truth.confidence.brier == pytest.approx(0.64)


def test_coverage_leaves_out_what_no_threshold_would_let_through() -> None:
    selections, labels = labelled(
        (make_selection(1, PASS, 0.9), PASS),
        (make_selection(2, PASS, 0.8, reasons=[ReviewReason.UNCALIBRATED]), FAIL),
        (make_selection(3, PASS, 0.7, reasons=[ReviewReason.BELOW_THRESHOLD]), PASS),
        (make_selection(4, PASS, 0.99, reasons=[ReviewReason.CRITIC_ASKS, ReviewReason.UNCALIBRATED]), FAIL),
        (make_selection(5, PASS, 0.99, reused_from="person"), FAIL),
    )
    coverage = metrics_of(selections, labels).truth.coverage
    assert coverage is not None
    assert [(point.threshold, point.share, point.error) for point in coverage] == [
        (0.9, 0.2, wilson(0, 1)),
        (0.8, 0.4, wilson(1, 2)),
        (0.7, 0.6, wilson(1, 3)),
    ]


def test_what_is_said_of_the_judge_is_counted() -> None:
    flips = Checks(order=OrderCheck(p_pass=(0.9, 0.2), flips=True))
    holds = Checks(
        order=OrderCheck(p_pass=(0.9,), flips=False), removal=RemovalCheck(without=0.9, alone=0.1, holds=True)
    )
    selections = [
        make_selection(1, checks=flips, clauses=(make_clause(), make_clause("wrong"))),
        make_selection(2, FAIL, checks=holds, clauses=(make_clause("uncited"),)),
        make_selection(3, None, agreement=3 / 7),
    ]
    trajectories = [make_trajectory(one) for one in selections[:2]]
    trajectories += [make_trajectory(selections[2], i, violations=("cut_off", "missing_line")) for i in range(2)]
    judge = metrics_of(selections, [], trajectories=trajectories).judge
    assert judge.format == wilson(2, 4)
    assert judge.violations == {"cut_off": 2, "missing_line": 2}
    assert judge.agreement.mean == pytest.approx((1 + 1 + 3 / 7) / 3, abs=1e-6)
    assert judge.agreement.distribution == {"0.43": 1, "1.00": 2}
    assert judge.proposed == wilson(2, 3)
    assert (judge.order_flips, judge.removal_failures) == (wilson(1, 2), wilson(0, 1))
    citations = judge.citations
    assert (citations.ok, citations.wrong, citations.uncited, citations.right) == (1, 1, 1, wilson(1, 3))


def test_the_worth_of_a_doubt_is_how_often_the_verdict_is_wrong_with_it_and_without() -> None:
    unsure = FactsReading(verdict=None)
    selections, labels = labelled(
        (make_selection(1, critic=make_critic(PASS), facts=FactsReading(verdict=PASS)), PASS),
        (make_selection(2, critic=make_critic(FAIL), facts=FactsReading(verdict=FAIL)), FAIL),
        (make_selection(3, critic=make_critic(FAIL), facts=unsure), PASS),
        (make_selection(4, FAIL, critic=make_critic(FAIL), facts=unsure), PASS),
        (make_selection(5, FAIL, critic=make_critic(FAIL, readable=False), facts=unsure), PASS),
        (make_selection(6, FAIL, critic=make_critic(FAIL)), None),
        (make_selection(7, None), FAIL),
    )
    judge = metrics_of(selections, labels).judge
    assert (judge.critic.readable, judge.critic.flagged) == (wilson(5, 6), wilson(2, 5))
    assert (judge.critic.wrong_if_flagged, judge.critic.wrong_if_not) == (wilson(1, 2), wilson(1, 2))
    assert (judge.facts.readable, judge.facts.flagged) == (wilson(2, 5), wilson(1, 2))
    assert (judge.facts.wrong_if_flagged, judge.facts.wrong_if_not) == (wilson(1, 1), wilson(0, 1))


def test_nothing_is_judged_and_all_is_unknown() -> None:
    told = metrics_of([], [])
    assert told.notes == (Note.UNLABELLED, Note.NOTHING_AUTOMATIC)
    assert told.tickets.review.value is told.judge.format.value is told.judge.agreement.mean is None


@st.composite
def judgements(draw: st.DrawFn) -> tuple[list[Selection], list[TicketLabel]]:
    """Tickets of few evidences, some with labels."""
    selections, labels = [], []
    for number in range(draw(st.integers(0, 12))):
        evidence = draw(st.integers(0, 8))
        gates = draw(st.lists(st.sampled_from([ReviewReason.UNCALIBRATED, ReviewReason.CRITIC_ASKS]), unique=True))
        proposed = draw(st.sampled_from([PASS, FAIL, None]))
        score = draw(st.sampled_from([0.5, 0.75, 1.0, None]))
        digest = sha(f"evidence {evidence} {proposed} {score} {gates}")
        selections.append(make_selection(number, proposed, score, gates, evidence_digest=digest))
        if label := draw(st.sampled_from([PASS, FAIL, None])):
            labels.append(make_label(selections[-1], label))
    return selections, labels


@given(judgements(), st.randoms(use_true_random=False))
@examples(60)
def test_metrics_are_read_back_and_the_same_in_any_order(
    judged: tuple[list[Selection], list[TicketLabel]], order: random.Random
) -> None:
    selections, labels = judged
    told = metrics_of(selections, labels)
    line = to_line(told)
    assert parse(Metrics, line[:-1], "metrics.json") == told
    mixed, said = [*selections], [*labels]
    order.shuffle(mixed)
    order.shuffle(said)
    assert to_line(metrics_of(mixed, said)) == line
