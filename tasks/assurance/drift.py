"""An alarm when automatic verdicts have become wrong more often than promised: a sequential test on audits.

The promise is that an audited verdict is wrong with probability alpha at most, whatever came before it. Against it
stand rates q = 1.5, 2, 3, 4 and 6 times alpha, each from audit 1, 21, 41, ... on. The evidence is a bet on all of them
at once, after each audit:

    E_n = sum over starts s of w_s * mean over q of prod over audits i = s..n of L_q(x_i)      L_q(1) = q / alpha
                                                                                               L_q(0) = (1-q)/(1-alpha)
    w_s = 1 / (b (b + 1)), b = 1, 2, ... the number of the start; sum of all w_s = 1; the product of none is 1

While the promise holds, E is a supermartingale that begins at 1, so that P(E ever >= 1/level) <= level (Ville, 1939):
one may look after every audit, for ever. An alarm is the first E_n >= 1/level. Starts later on find a judge that was
good for long (mixtures over the time of change: Shin, Ramdas, Rinaldo, "E-detectors", 2022; watching a deployed model's
risk this way: Podkopaev, Ramdas, ICLR 2022).

No weights: within a run every automatic verdict is as likely to be drawn as any other, so that an audited one is wrong
as often as the run's are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.assurance.rates import rounded
from tasks.records.base import Record

LEVEL = 0.05
_TIMES = (1.5, 2.0, 3.0, 4.0, 6.0)
_EVERY = 20
_MOST = 1e300


class Alarm(Record):
    """What audits say of the promise: how many, how many wrong, the evidence against it now and at its highest, and the
    audit at which the alarm went off, from 1; null while it has not."""

    alpha: float
    audits: int = Field(ge=0)
    wrong: int = Field(ge=0)
    evidence: float
    highest: float
    level: float
    alarm_at: int | None


def watch(wrong: Sequence[bool], alpha: float, level: float = LEVEL) -> Alarm:
    """What these audits say, in the order of their answers: whether each verdict was wrong."""
    values = evidence(np.array(wrong, dtype=bool), alpha)
    over = np.flatnonzero(values >= 1 / level)
    return Alarm(
        alpha=alpha,
        audits=len(wrong),
        wrong=sum(wrong),
        evidence=rounded(values[-1]) if values.size else 1.0,
        highest=rounded(values.max()) if values.size else 1.0,
        level=level,
        alarm_at=int(over[0]) + 1 if over.size else None,
    )


def evidence(wrong: NDArray[np.bool_], alpha: float) -> NDArray[np.float64]:
    """E_n after each audit; `wrong` is (..., audits) and so is the result."""
    rates = np.array([min(times * alpha, (1 + alpha) / 2) for times in _TIMES])
    if_wrong, if_right = rates / alpha, (1 - rates) / (1 - alpha)
    bets = np.zeros((*wrong.shape[:-1], len(rates)))
    found = np.empty(wrong.shape)
    waiting = 1.0  # the weight of starts to come
    for audit in range(wrong.shape[-1]):
        if audit % _EVERY == 0:
            start = audit // _EVERY + 1
            bets += 1 / (start * (start + 1))
            waiting = 1 / (start + 1)
        bets *= np.where(wrong[..., audit, None], if_wrong, if_right)
        np.minimum(bets, _MOST, out=bets)
        found[..., audit] = bets.mean(axis=-1) + waiting
    return found
