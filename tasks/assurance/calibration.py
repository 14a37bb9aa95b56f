"""The score from which on automatic verdicts are wrong no more often than promised. Statistics of one direction.

R(t) = P(the truth is the other verdict | this verdict is proposed, passes every other gate, and has a score >= t).
A threshold t is certified when R(t) <= alpha, with probability 1 - delta over the draw of the labels.

    p(t) = BinomCDF(k(t); n(t), alpha)         n(t) labelled groups with a score >= t, k(t) of them with the other truth
    delta_j = delta / 2^j                      what look j may spend; sum over all looks < delta, whenever one stops

1. Candidates t, strict to lax: 50 quantiles of the scores of groups without a label, then the lowest score that labels
   were drawn from. Steps of 0.01 could not part scores that crowd at 1.
2. Begin at the strictest t at which 1.5 * n_min labels are expected, n_min the fewest that can certify anything; if
   there is none, at the laxest. The expectation comes from groups without a label: no label decides it.
3. Go on while p(t) <= delta_j. The last such t is the threshold; if there is none, nothing is certified.

p(t) is the exact binomial p-value of R(t) > alpha, since labels that are drawn evenly at scores >= t are wrong
independently, with probability R(t). Testing strict to lax and stopping at the first failure keeps the error of the
whole sequence at that of one test: fixed-sequence testing (Bauer, Statistics in Medicine 10, 1991; as a bound on risk:
Angelopoulos, Bates, Candes, Jordan, Lei, "Learn then Test", 2021). Looks share delta by Bonferroni's inequality.

A label says nothing of thresholds below the score that it was drawn from: groups there were never drawn with it. That
holds for audits too, which exist only from the threshold in force on: joined at laxer thresholds they would make every
judge look good.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Not scipy.stats: it takes three seconds to load, and its distribution function is this one.
from scipy.special import bdtr

QUANTILES = 50
_SPARE = 1.5
"""How many times n_min labels are expected at the first threshold that is tried."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled group: its score, 0 to 1; whether the truth is the other verdict; and the lowest score of those that
    it was drawn from at random."""

    score: float
    wrong: bool
    since: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What is fixed before the labels of a look are opened: thresholds, strict to lax, where to begin, and what the
    look may spend of delta."""

    alpha: float
    spent: float
    thresholds: tuple[float, ...]
    begin: int


@dataclass(frozen=True, slots=True)
class Tried:
    """What labels say of a threshold. `tested` ones came before the first that failed, or are it."""

    threshold: float
    n: int
    k: int
    p: float
    tested: bool


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The certified threshold, None if there is none; all that the labels say; and how many further labels, all of them
    right, the threshold that lacks the fewest would have taken, 0 if one is certified."""

    threshold: float | None
    curve: tuple[Tried, ...]
    lacking: int

    @property
    def passed(self) -> Tried | None:
        """What the labels say of the certified threshold."""
        return next((one for one in self.curve if one.threshold == self.threshold), None)


def p_value(wrong: int, of: int, alpha: float) -> float:
    """BinomCDF(wrong; of, alpha): how likely so few are wrong where the risk is alpha. 1 where nothing is labelled.

    Raises ValueError unless 0 <= wrong <= of.
    """
    if not 0 <= wrong <= of:
        raise ValueError(f"{wrong} of {of} cannot be wrong")
    return float(bdtr(wrong, of, alpha)) if of else 1.0


def spent_by(look: int, delta: float) -> float:
    """delta_j: what look `look`, from 1, may spend."""
    return delta * 0.5**look


def least_labels(alpha: float, spent: float, wrong: int = 0) -> int:
    """The fewest labels that certify anything if `wrong` of them are wrong."""
    if wrong == 0:
        near = math.ceil(math.log(spent) / math.log1p(-alpha))
        return next(n for n in range(max(1, near - 1), near + 3) if p_value(0, n, alpha) <= spent)
    low, high = wrong, 2 * least_labels(alpha, spent) + 2 * wrong  # p(low) > spent, as it is 1
    while p_value(wrong, high, alpha) > spent:
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if p_value(wrong, middle, alpha) <= spent else (middle, high)
    return high


def plan(unlabelled: ArrayLike, since: Sequence[float], alpha: float, spent: float) -> Plan:
    """What a look tries, by the scores of groups without a label alone; `since` has an entry a label that will be
    opened: the lowest score that it was drawn from.

    Raises ValueError without a label to open.
    """
    if not since:
        raise ValueError("a look needs a label to open")
    floors = np.sort(np.asarray(since, dtype=float))
    pool = np.sort(np.asarray(unlabelled, dtype=float))
    pool = pool[pool >= floors[0]]
    steps = pool[np.arange(QUANTILES) * pool.size // QUANTILES] if pool.size else pool
    thresholds = np.unique(np.append(steps, floors[0]))[::-1]
    enough = _expected(pool, floors, thresholds) >= _SPARE * least_labels(alpha, spent)
    begin = int(np.argmax(enough)) if enough.any() else thresholds.size - 1
    return Plan(alpha, spent, tuple(map(float, thresholds)), begin)


def calibrate(plan: Plan, labels: Iterable[Labelled]) -> Calibrated:
    """What these labels certify. Their order changes nothing."""
    told = list(labels)
    scores, since = (
        np.array(values, dtype=float) for values in ([one.score for one in told], [one.since for one in told])
    )
    n, k = counted(plan, scores, np.array([one.wrong for one in told], dtype=bool), since)
    p, last = p_values(plan, n, k), int(certified(plan, n, k))
    tested = range(plan.begin, max(last, plan.begin - 1) + 2)
    curve = tuple(
        Tried(threshold, int(n[place]), int(k[place]), float(p[place]), place in tested)
        for place, threshold in enumerate(plan.thresholds)
    )
    if last >= 0:
        return Calibrated(plan.thresholds[last], curve, 0)
    return Calibrated(None, curve, lacking(curve, plan.alpha, plan.spent))


def counted(
    plan: Plan, scores: NDArray[np.float64], wrong: NDArray[np.bool_], since: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """n and k at each threshold, (..., thresholds), of labels (..., labels)."""
    able = [(scores >= threshold) & (since <= threshold) for threshold in plan.thresholds]
    return (
        np.stack([one.sum(axis=-1) for one in able], axis=-1),
        np.stack([(one & wrong).sum(axis=-1) for one in able], axis=-1),
    )


def p_values(plan: Plan, n: NDArray[np.int64], k: NDArray[np.int64]) -> NDArray[np.float64]:
    """p(t) at each threshold; 1 where nothing is labelled."""
    return np.asarray(np.where(n > 0, bdtr(k, np.maximum(n, 1), plan.alpha), 1.0), dtype=float)


def certified(plan: Plan, n: NDArray[np.int64], k: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of the threshold that n and k, (..., thresholds), certify; -1 for none."""
    failed = p_values(plan, n, k)[..., plan.begin :] > plan.spent
    passed = np.where(failed.any(axis=-1), failed.argmax(axis=-1), failed.shape[-1])
    return np.where(passed > 0, plan.begin + passed - 1, -1)


def lacking(curve: Iterable[Tried], alpha: float, spent: float) -> int:
    """How many further labels, all of them right, certify the threshold that lacks the fewest."""
    return min(max(least_labels(alpha, spent, one.k) - one.n, 0) for one in curve)


def _expected(
    pool: NDArray[np.float64], floors: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many labels are expected at each threshold: of those drawn from a score f <= t on, the share of the groups
    without a label at scores >= f that are at scores >= t."""
    kinds, counts = np.unique(floors, return_counts=True)
    shares = np.ones((thresholds.size, kinds.size))
    if pool.size:
        above = pool.size - np.searchsorted(pool, thresholds)
        shares = above[:, None] / np.maximum(pool.size - np.searchsorted(pool, kinds), 1)
    return np.asarray(np.where(kinds <= thresholds[:, None], counts * shares, 0.0).sum(axis=1), dtype=float)
