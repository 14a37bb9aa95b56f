"""From the votes of all candidates of a ticket to a proposed verdict, whose reason is given, and how sure it is.

    n          candidates asked; a voted 通过, b voted 不通过, n - a - b could not be read
    agreement  max(a, b) / n
    proposed   通过 if a > n/2; 不通过 if b > n/2; else none: no tie decides, and what was not read counts against both
    p_pass     mean over the orders of the photos of sigmoid(lp(verdict line 通过) - lp(verdict line 不通过))
    score      p_pass if 通过 is proposed, 1 - p_pass if 不通过; without p_pass, the share of the votes: a/n or b/n

Knows no model and no threshold.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tasks.records.verdicts import Clause, Verdict, Votes


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate of a ticket as it stands for election. `index` is its place in the rollout.

    Photos in `reason` and `clauses` have the ticket's own keys, and the clauses are checked. One that could not be
    read, or was never answered, has no verdict.
    """

    index: int
    temperature: float
    verdict: Verdict | None
    reason: str | None = None
    confidence: float | None = None
    clauses: tuple[Clause, ...] = ()


def count(verdicts: Iterable[Verdict | None]) -> Votes:
    """The votes of all candidates that were asked; `None` is one that could not be read."""
    all_of_them = list(verdicts)
    passed, failed = all_of_them.count(Verdict.PASS), all_of_them.count(Verdict.FAIL)
    return Votes(passed=passed, failed=failed, none=len(all_of_them) - passed - failed)


def agreement(votes: Votes) -> float:
    """Share of the candidates behind the verdict that has more of them, 0 to 1; 0 if none was asked."""
    return max(votes.passed, votes.failed) / votes.asked if votes.asked else 0.0


def proposed(votes: Votes) -> Verdict | None:
    """The verdict of more than half of all candidates, if there is one."""
    if 2 * votes.passed > votes.asked:
        return Verdict.PASS
    if 2 * votes.failed > votes.asked:
        return Verdict.FAIL
    return None


def pick(candidates: Iterable[Candidate], verdict: Verdict) -> Candidate | None:
    """The candidate whose reason is given for this verdict: fewest wrong or uncited clauses, then highest confidence
    (an unknown one is the lowest), then lowest temperature, then lowest index. None if nobody voted for it."""
    return min((one for one in candidates if one.verdict is verdict), key=_rank, default=None)


def winner_of(candidates: Iterable[Candidate]) -> Candidate | None:
    """The candidate whose reason will be given: the one to be tried by the checks and shown to the critic. None
    without a majority."""
    asked = list(candidates)
    verdict = proposed(count(one.verdict for one in asked))
    return pick(asked, verdict) if verdict else None


def pass_probability(log_probs: Sequence[tuple[float, float]]) -> float:
    """p_pass, 0 to 1, from the natural log-probabilities of the verdict lines (通过, 不通过), a pair for each order of
    the photos that was scored.

    Two lines that are equally impossible tell nothing: 0.5. Raises ValueError without a pair, and for NaN, which is
    no probability: what gave it is broken.
    """
    if not log_probs or any(math.isnan(number) for pair in log_probs for number in pair):
        raise ValueError(f"a verdict's lines need a log-probability each, and have {list(log_probs)}")
    return math.fsum(_sigmoid(passed, failed) for passed, failed in log_probs) / len(log_probs)


def score(verdict: Verdict | None, p_pass: float | None, votes: Votes) -> float | None:
    """How sure the judge is of this verdict, 0 to 1; None without a verdict. `p_pass` is None where the engine gives
    no log-probabilities."""
    if verdict is None:
        return None
    if p_pass is None:
        return (votes.passed if verdict is Verdict.PASS else votes.failed) / votes.asked
    return p_pass if verdict is Verdict.PASS else 1 - p_pass


def _rank(candidate: Candidate) -> tuple[int, float, float, int]:
    faults = sum(clause.check != "ok" for clause in candidate.clauses)
    sure = -1.0 if candidate.confidence is None else candidate.confidence
    return faults, -sure, candidate.temperature, candidate.index


def _sigmoid(passed: float, failed: float) -> float:
    """sigmoid(passed - failed) without overflow, however far they are apart."""
    if passed == failed:
        return 0.5
    odds = math.exp(-abs(passed - failed))
    return 1 / (1 + odds) if passed > failed else odds / (1 + odds)
