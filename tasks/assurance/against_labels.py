"""The judge's verdicts, scores and confidence against labels. Knows no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from tasks.assurance.cases import Case
from tasks.assurance.discrimination import Scored, area, brier, calibration_error, coverage
from tasks.assurance.rates import Rate, clopper_pearson, share, unknown
from tasks.assurance.records import Sureness, TruthMetrics
from tasks.records.verdicts import Verdict


def against_labels(cases: Iterable[Case], conflicts: int) -> TruthMetrics:
    """What labels say of the judge. `conflicts` are evidence with two labels, which have no truth here.

    With labels of one kind only, how often a verdict of the other kind is wrong stays unknown: whatever is counted,
    it could only be never or always.
    """
    told = [case for case in cases if case.truth is not None]
    both = len({case.truth for case in told}) == 2
    out = [case for case in told if case.automatic is not None]

    def wrong_of(verdict: Verdict, said: Callable[[Case], Verdict | None]) -> list[bool]:
        return [not case.right for case in told if said(case) is verdict] if both else []

    def said_of(truth: Verdict, verdict: Verdict) -> list[bool]:
        return [case.automatic is verdict for case in told if case.truth is truth]

    return TruthMetrics(
        labels={verdict: Counter(case.truth for case in told)[verdict] for verdict in Verdict},
        label_conflicts=conflicts,
        accuracy_decided=share(case.right for case in out),
        accuracy_proposed=share(case.right for case in told),
        false_pass=_certain(wrong_of(Verdict.PASS, _automatic)),
        false_pass_of_bad=_certain(said_of(Verdict.FAIL, Verdict.PASS)),
        false_fail=share(wrong_of(Verdict.FAIL, _automatic)),
        false_fail_of_good=share(said_of(Verdict.PASS, Verdict.FAIL)),
        proposed_false_pass=_certain(wrong_of(Verdict.PASS, _proposed)),
        proposed_false_fail=share(wrong_of(Verdict.FAIL, _proposed)),
        score=_sureness(told, lambda case: case.selection.score),
        confidence=_sureness(told, lambda case: case.confidence),
        coverage=coverage([Scored(score, case.right) for case, score in _waiting(told)], len(told)) if told else None,
    )


def _automatic(case: Case) -> Verdict | None:
    return case.automatic


def _proposed(case: Case) -> Verdict | None:
    return case.selection.proposed


def _certain(wrong: Sequence[bool]) -> Rate:
    """A rate of what must not happen: its interval promises no less than it says."""
    return clopper_pearson(sum(wrong), len(wrong)) if wrong else unknown("clopper-pearson")


def _waiting(cases: Iterable[Case]) -> list[tuple[Case, float]]:
    return [(case, score) for case in cases if case.waits_for_score and (score := case.selection.score) is not None]


def _sureness(cases: Iterable[Case], number_of: Callable[[Case], float | None]) -> Sureness:
    known = [
        (case, number)
        for case in cases
        if case.selection.proposed is not None and (number := number_of(case)) is not None
    ]
    right = [Scored(number, case.right) for case, number in known]
    passing = [
        Scored(number if case.selection.proposed is Verdict.PASS else 1 - number, case.truth is Verdict.PASS)
        for case, number in known
    ]
    return Sureness(
        of=len(known), brier=brier(right), ece=calibration_error(right), right=area(right), passing=area(passing)
    )
