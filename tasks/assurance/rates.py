"""Rates and the intervals that go with them: what was counted, and what it can be in truth. Knows no verdict.

All intervals are two-sided, at 95 %. With p = count / of and z = 1.96:

    wilson            (p + z²/2n ± z sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n)
    clopper-pearson   low: the 2.5 % quantile of Beta(count, n - count + 1), 0 for none
                      high: the 97.5 % quantile of Beta(count + 1, n - count), 1 for all

Wilson's (E. B. Wilson, JASA 22, 1927) is right on average: at some true rates a little less than 95 % of its intervals
hold the truth. Clopper and Pearson's (Biometrika 26, 1934) is never below 95 % and therefore wider: it is for what a
promise hangs on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

# Not scipy.stats: it takes three seconds to load, and its quantile of Beta is this function.
from scipy.special import betaincinv

from tasks.records.base import Record

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

_TAIL = 0.025
_DIGITS = 6


class Rate(Record):
    """So many of so many, and the 95 % interval. `value`, `low` and `high` are 0 to 1, and null where there is nothing
    to count, or where what there is says nothing of the rate."""

    value: float | None
    count: int = Field(ge=0)
    of: int = Field(ge=0)
    low: float | None
    high: float | None
    method: Literal["wilson", "clopper-pearson", "korn-graubard"]


def wilson(count: int, of: int) -> Rate:
    """A rate with Wilson's interval. Raises ValueError unless 0 <= count <= of."""
    if not _known(count, of):
        return unknown()
    share, spread = count / of, Z * Z / of
    middle = share + spread / 2
    reach = Z * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    return _rate(count, of, (middle - reach) / (1 + spread), (middle + reach) / (1 + spread), "wilson")


def clopper_pearson(count: int, of: int) -> Rate:
    """A rate with Clopper and Pearson's interval. Raises ValueError unless 0 <= count <= of."""
    if not _known(count, of):
        return unknown("clopper-pearson")
    low = float(betaincinv(count, of - count + 1, _TAIL)) if count else 0.0
    high = float(betaincinv(count + 1, of - count, 1 - _TAIL)) if count < of else 1.0
    return _rate(count, of, low, high, "clopper-pearson")


def unknown(method: Literal["wilson", "clopper-pearson"] = "wilson") -> Rate:
    """The rate of nothing."""
    return Rate(value=None, count=0, of=0, low=None, high=None, method=method)


def share(those: Iterable[bool]) -> Rate:
    """How many of these are so, with Wilson's interval."""
    told = list(those)
    return wilson(sum(told), len(told))


def rounded(value: float) -> float:
    """As records keep it: six digits, so that machines whose last bits differ write the same."""
    return round(float(value), _DIGITS)


def _known(count: int, of: int) -> bool:
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of} is no rate")
    return of > 0


def _rate(count: int, of: int, low: float, high: float, method: Literal["wilson", "clopper-pearson"]) -> Rate:
    value = rounded(count / of)
    # At the ends the interval ends there too: what rounding leaves beyond is no probability.
    return Rate(
        value=value,
        count=count,
        of=of,
        low=min(value, rounded(max(low, 0.0))),
        high=max(value, rounded(min(high, 1.0))),
        method=method,
    )
