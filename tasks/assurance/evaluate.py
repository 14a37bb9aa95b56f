"""From a judgement and the labels that it never saw to its metrics. Knows no store and no step."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tasks.assurance.against_labels import against_labels
from tasks.assurance.cases import Case, automatic
from tasks.assurance.rates import Rate, rounded, share, wilson
from tasks.assurance.records import (
    Agreement,
    Citations,
    Doubt,
    JudgeMetrics,
    Metrics,
    Note,
    ReasonCount,
    Spent,
    TicketMetrics,
)
from tasks.records.labels import TicketLabel
from tasks.records.stage_b import Unjudged
from tasks.records.verdicts import (
    Decision,
    JudgementManifest,
    ReviewReason,
    Selection,
    Trajectory,
    Verdict,
)
from tasks.verdicts.critic import flags


def evaluate(
    manifest: JudgementManifest,
    selections: Iterable[Selection],
    trajectories: Iterable[Trajectory],
    labels: Iterable[TicketLabel],
    unjudged: Iterable[Unjudged] = (),
    spent: Spent | None = None,
) -> Metrics:
    """The metrics of a judgement; without labels, all that needs none. `spent` is what its run cost, if known.

    All labels of an evidence must say the same, whosever they are: where one is to count for more than another, only
    that one is given.
    """
    told = list(selections)
    of_ticket = {one.ticket_id: one.evidence_digest for one in told}
    said: dict[str, set[Verdict]] = defaultdict(set)
    strange = False
    for label in labels:
        if label.ticket_id in of_ticket:
            said[of_ticket[label.ticket_id]].add(label.label)
        else:
            strange = True
    conflicts = sum(len(verdicts) > 1 for verdicts in said.values())
    truths = {digest: next(iter(verdicts)) for digest, verdicts in said.items() if len(verdicts) == 1}

    rollouts = _Rollouts(told, trajectories)
    cases = [Case(one, truths.get(one.evidence_digest), rollouts.confidence_of(one)) for one in _one_an_evidence(told)]
    return Metrics(
        run_id=manifest.run_id,
        mission=manifest.mission,
        judge_key=manifest.judge_key,
        notes=tuple(_notes(cases, conflicts, strange)),
        tickets=_of_tickets(told, list(unjudged)),
        judge=_of_judge(cases, rollouts),
        truth=against_labels(cases, conflicts),
        spent=spent,
    )


class _Rollouts:
    """What there is to know of candidates, read once: there are many, and the winners' confidence is all to keep."""

    def __init__(self, selections: Sequence[Selection], trajectories: Iterable[Trajectory]) -> None:
        winners = {(one.evidence_digest, one.winner) for one in selections}
        self.asked = self.well_formed = 0
        self.violations: Counter[str] = Counter()
        self._confidence: dict[tuple[str, int | None], float | None] = {}
        for one in trajectories:
            self.asked += 1
            self.well_formed += not one.violations
            self.violations.update(one.violations)
            if (key := (one.evidence_digest, one.index)) in winners:
                self._confidence[key] = one.confidence

    def confidence_of(self, selection: Selection) -> float | None:
        """How sure the winner says that it is."""
        return self._confidence.get((selection.evidence_digest, selection.winner))


def _one_an_evidence(selections: Iterable[Selection]) -> list[Selection]:
    """One ticket of each evidence: the one that went out without a person, if any did."""
    chosen: dict[str, Selection] = {}
    for one in selections:
        first = chosen.setdefault(one.evidence_digest, one)
        if automatic(first) is None and automatic(one) is not None:
            chosen[one.evidence_digest] = one
    return list(chosen.values())


def _notes(cases: Sequence[Case], conflicts: int, strange: bool) -> Iterator[Note]:
    truths = {case.truth for case in cases if case.truth is not None}
    applies = {
        Note.UNLABELLED: not truths,
        Note.ONE_CLASS: len(truths) == 1,
        Note.LABEL_CONFLICTS: conflicts > 0,
        Note.STRANGE_LABELS: strange,
        Note.NOTHING_AUTOMATIC: not any(automatic(case.selection) for case in cases),
    }
    yield from (note for note, found in applies.items() if found)


def _of_tickets(told: Sequence[Selection], unjudged: Sequence[Unjudged]) -> TicketMetrics:
    out = [automatic(one) for one in told]
    review = [one.decision is Decision.REVIEW for one in told]
    quarantined = Counter(one.reason for one in unjudged)
    counts = Counter(reason for one in told for reason in one.review_reasons)
    alone = Counter(one.review_reasons[0] for one in told if len(one.review_reasons) == 1)
    return TicketMetrics(
        tickets=len(told),
        evidences=len({one.evidence_digest for one in told}),
        unjudged=len(unjudged),
        unjudged_reasons=dict(sorted(quarantined.items())),
        decisions={decision: sum(one.decision is decision for one in told) for decision in Decision},
        reused=sum(one.reused_from is not None for one in told),
        audited=sum(one.audit is not None for one in told),
        review=share(review),
        review_with_unjudged=wilson(sum(review) + len(unjudged), len(told) + len(unjudged)),
        review_reasons={
            reason: ReasonCount(count=counts[reason], alone=alone[reason]) for reason in ReviewReason if counts[reason]
        },
        auto_pass=share(verdict is Verdict.PASS for verdict in out),
        auto_fail=share(verdict is Verdict.FAIL for verdict in out),
    )


def _of_judge(cases: Sequence[Case], rollouts: _Rollouts) -> JudgeMetrics:
    told = [case.selection for case in cases]
    agreement = [one.agreement for one in told if one.asked]
    clauses = Counter(clause.check for one in told for clause in one.clauses)
    return JudgeMetrics(
        format=wilson(rollouts.well_formed, rollouts.asked),
        violations=dict(sorted(rollouts.violations.items())),
        agreement=Agreement(
            mean=rounded(math.fsum(agreement) / len(agreement)) if agreement else None,
            distribution=dict(sorted(Counter(f"{one:.2f}" for one in agreement).items())),
        ),
        proposed=share(one.proposed is not None for one in told),
        order_flips=share(one.checks.order.flips for one in told if one.checks.order),
        removal_failures=share(not one.checks.removal.holds for one in told if one.checks.removal),
        citations=Citations(
            ok=clauses["ok"],
            wrong=clauses["wrong"],
            uncited=clauses["uncited"],
            right=wilson(clauses["ok"], clauses.total()),
        ),
        critic=_critic(cases),
        facts=_facts(cases),
    )


def _critic(cases: Iterable[Case]) -> Doubt:
    """An answer of the critic that cannot be read says nothing: it neither doubts nor agrees."""
    asked = [(case, case.selection.critic) for case in cases if case.selection.critic and case.selection.proposed]
    read = {
        case: bool(flags(critic, case.selection.proposed))
        for case, critic in asked
        if critic and critic.format_ok and case.selection.proposed
    }
    return _doubt(share(bool(critic and critic.format_ok) for _, critic in asked), read)


def _facts(cases: Iterable[Case]) -> Doubt:
    """Facts that cannot tell, 未知, say nothing either."""
    asked = [(case, case.selection.facts) for case in cases if case.selection.facts and case.selection.proposed]
    told = {case: facts.verdict is not case.selection.proposed for case, facts in asked if facts and facts.verdict}
    return _doubt(share(bool(facts and facts.verdict) for _, facts in asked), told)


def _doubt(readable: Rate, doubts: Mapping[Case, bool]) -> Doubt:
    return Doubt(
        readable=readable,
        flagged=share(doubts.values()),
        wrong_if_flagged=share(not case.right for case, doubt in doubts.items() if doubt and case.truth),
        wrong_if_not=share(not case.right for case, doubt in doubts.items() if not doubt and case.truth),
    )
