"""How often automatic verdicts are wrong, by those that were audited: a weighted rate with its interval.

Audit i was drawn with probability pi_i and counts for w_i = 1/pi_i verdicts (x_i = 1 if it was wrong):

    rate   = sum of w_i x_i / sum of w_i                                                      (Hajek, 1971)
    v      = sum of w_i^2 (x_i - rate)^2 / (sum of w_i)^2                                     its variance, linearised
    n_eff  = min(rate (1 - rate) / v, number of audits); where v is 0, (sum of w_i)^2 / sum of w_i^2        (Kish, 1965)
    low    = 2.5 % quantile of Beta(x, n_eff - x + 1), high = 97.5 % quantile of Beta(x + 1, n_eff - x), x = n_eff rate

The interval is Clopper and Pearson's at the effective number of audits (Korn, Graubard, Survey Methodology 24, 1998).
Without the weights, runs of few automatic verdicts would count for more than they are: each has one audit at least.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv

from tasks.assurance.rates import Rate, rounded

_TAIL = 0.025


def weighted(wrong: Sequence[bool], pi: Sequence[float]) -> Rate:
    """The share of automatic verdicts that are wrong; `pi`, above 0 to 1, is how likely each audited one was drawn.

    `count` and `of` are audits, unweighted. Raises ValueError for lengths that differ.
    """
    if len(wrong) != len(pi):
        raise ValueError(f"{len(wrong)} audits have {len(pi)} probabilities")
    if not wrong:
        return Rate(value=None, count=0, of=0, low=None, high=None, method="korn-graubard")
    x, weights = np.asarray(wrong, dtype=float), 1 / np.asarray(pi, dtype=float)
    total = weights.sum()
    rate = float((weights * x).sum() / total)
    squares = float((weights**2).sum())
    variance = float((weights**2 * (x - rate) ** 2).sum() / total**2)
    effective = rate * (1 - rate) / variance if variance > 0 else float(total**2 / squares)
    effective = min(effective, float(len(wrong)))
    hits = effective * rate
    low = float(betaincinv(hits, effective - hits + 1, _TAIL)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, effective - hits, 1 - _TAIL)) if hits < effective else 1.0
    value = rounded(rate)
    return Rate(
        value=value,
        count=sum(wrong),
        of=len(wrong),
        low=min(value, rounded(low)),
        high=max(value, rounded(high)),
        method="korn-graubard",
    )
