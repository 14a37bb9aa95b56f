"""From what a judge proposes to a look, and from the look's labels to a certificate. No store, no clock.

    opened                                   ended
    thresholds, where to begin, which        all labels are there, or those that are not count as wrong
    groups: fixed, by scores alone           -> p(t), strict to lax -> threshold or none

Whoever could choose when to look, having seen labels, would stop at a lucky moment. So the groups of a look are drawn
when it is opened, and nothing is made of their labels until all of them are there.

Groups are drawn evenly from those that the bound is about: this verdict is proposed, every other gate is passed, the
score is at least `since`. Labels of earlier looks at the same judge on the same texts of Stage-A are opened again, and
so are audits that were drawn by lot; under another judge they would be no even draw of what that one proposes. An audit
that its run had for want of another one is left out: groups of small runs would count for more than they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.assurance.calibration import Labelled, Plan, calibrate, least_labels, plan, spent_by
from tasks.assurance.rates import rounded
from tasks.records.certificates import Asked, Certificate, CurvePoint, Look, Risk, certificate_key
from tasks.records.jsonl import canonical
from tasks.records.verdicts import Verdict
from tasks.verdicts.published import Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a certificate is asked for: at most `alpha` wrong, with probability 1 - `delta`, at scores of at least
    `since`; `seed` draws the groups."""

    risk: Risk
    alpha: float
    delta: float
    since: float = 0.5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Whose:
    """The mission, judge and texts of Stage-A that a look is at."""

    mission: str
    judge_key: str
    stage_a: str

    @property
    def certificate_key(self) -> str:
        """What a certificate for them is for."""
        return certificate_key(self.judge_key, self.stage_a)


@dataclass(frozen=True)
class Pool:
    """The groups that a look is about, each once, in the order in which they are drawn: those that may be drawn, and
    how many verdicts of this kind are proposed in all."""

    waiting: tuple[Proposal, ...]
    proposed: int

    def left(self, taken: Iterable[str]) -> tuple[Proposal, ...]:
        """Those that were not taken, by answer key."""
        out = set(taken)
        return tuple(one for one in self.waiting if one.answer_key not in out)


def pool_of(proposals: Iterable[Proposal], terms: Terms) -> Pool:
    """The groups that these terms are about. Of several proposals for one group and photos the last counts."""
    last = {one.answer_key: one for one in proposals}
    of_kind = [one for one in last.values() if one.verdict is terms.risk.verdict]
    waiting = [one for one in of_kind if one.waits and one.score >= max(terms.since, 0.5)]
    return Pool(tuple(sorted(waiting, key=lambda one: _place(terms.seed, one.answer_key))), len(of_kind))


def audits_of(proposals: Iterable[Proposal], risk: Risk) -> dict[str, Proposal]:
    """The audited verdicts of this kind, by answer key, as they were when they were first drawn."""
    found: dict[str, Proposal] = {}
    for one in proposals:
        if one.audit is not None and one.verdict is risk.verdict:
            found.setdefault(one.answer_key, one)
    return found


def needed(terms: Terms, look: int, wrong: int = 0) -> int:
    """The fewest labels at one threshold that certify it at this look, if so many are wrong."""
    return least_labels(terms.alpha, spent_by(look, terms.delta), wrong)


def to_draw(terms: Terms, earlier: Sequence[Certificate]) -> int:
    """How many groups the next look had better draw: it certifies with one more that is wrong than is known of at the
    threshold that lacks the fewest."""
    look = len(earlier) + 1
    curve = earlier[-1].curve if earlier else ()
    return min((max(needed(terms, look, one.k + 1) - one.n, 1) for one in curve), default=needed(terms, look, 1))


def open_look(
    whose: Whose,
    terms: Terms,
    pool: Pool,
    earlier: Sequence[Look],
    audits: Iterable[Proposal],
    size: int,
    at: str,
    by: str | None = None,
) -> Look:
    """The next look: `size` groups are drawn, `earlier` looks' labels and those of answered `audits` are opened again.

    Raises ValueError for fewer groups than `size`.
    """
    known = {one.answer_key: one for look in earlier for one in look.labels}
    for one in audits:
        if one.threshold is not None and one.by_lot and one.answer_key not in known:
            known[one.answer_key] = _asked(one, one.threshold, audit=True)
    left = pool.left(known)
    if len(left) < size:
        raise ValueError(f"{len(left)} groups can be drawn, not {size}")
    labels = (*known.values(), *(_asked(one, terms.since, audit=False) for one in left[:size]))
    look, others = len(earlier) + 1, [one.score for one in left[size:]]
    spent = spent_by(look, terms.delta)
    fixed = plan(others, [one.since for one in labels], terms.alpha, spent)
    return Look(
        mission=whose.mission,
        risk=terms.risk,
        certificate_key=whose.certificate_key,
        judge_key=whose.judge_key,
        stage_a=whose.stage_a,
        look=look,
        alpha=terms.alpha,
        delta=terms.delta,
        spent=spent,
        thresholds=fixed.thresholds,
        auto_shares=tuple(
            rounded(sum(one.score >= threshold for one in pool.waiting) / pool.proposed)
            for threshold in fixed.thresholds
        ),
        begin=fixed.begin,
        unlabelled=len(others),
        draw_seed=terms.seed,
        labels=labels,
        opened_at=at,
        by=by,
    )


def unanswered(look: Look, truths: Mapping[str, Verdict]) -> tuple[Asked, ...]:
    """The groups of a look that have no label yet; `truths` are by answer key."""
    return tuple(one for one in look.labels if one.answer_key not in truths)


def end_look(look: Look, truths: Mapping[str, Verdict], at: str, by: str | None = None) -> Certificate:
    """What the labels of a look certify. A group that has none counts as wrong: no choice of whom to ask can help."""
    labels = [
        Labelled(one.score, truths.get(one.answer_key) is not look.risk.verdict, one.since) for one in look.labels
    ]
    found = calibrate(Plan(look.alpha, look.spent, look.thresholds, look.begin), labels)
    shares = dict(zip(look.thresholds, look.auto_shares, strict=True))
    passed = found.passed
    told = canonical([[one.answer_key, truths.get(one.answer_key)] for one in look.labels])
    return Certificate(
        mission=look.mission,
        risk=look.risk,
        certificate_key=look.certificate_key,
        judge_key=look.judge_key,
        stage_a=look.stage_a,
        alpha=look.alpha,
        delta=look.delta,
        look=look.look,
        spent=look.spent,
        threshold=found.threshold,
        n=passed.n if passed else 0,
        k=passed.k if passed else 0,
        p=passed.p if passed else None,
        auto_share=shares[passed.threshold] if passed else 0.0,
        lacking=found.lacking,
        curve=tuple(
            CurvePoint(
                threshold=one.threshold, n=one.n, k=one.k, p=one.p, auto_share=shares[one.threshold], tested=one.tested
            )
            for one in found.curve
        ),
        draw_seed=look.draw_seed,
        labels=len(look.labels),
        labels_sha256=hashlib.sha256(told.encode()).hexdigest(),
        at=at,
        by=by,
    )


def _asked(one: Proposal, since: float, *, audit: bool) -> Asked:
    return Asked(
        ticket_id=one.ticket_id,
        group_id=one.group_id,
        answer_key=one.answer_key,
        evidence_digest=one.evidence_digest,
        score=one.score,
        since=since,
        drawn="audit" if audit else "certify",
    )


def _place(seed: int, answer_key: str) -> str:
    return hashlib.sha256(f"{seed}\0{answer_key}".encode()).hexdigest()
