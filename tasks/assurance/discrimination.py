"""How well a number between 0 and 1 tells right from wrong: AUROC, Brier, ECE, and what a threshold would let through.

A `Scored` is a number and whether what it stands for came true. The order in which they come changes nothing, and equal
numbers are never parted.

    AUROC   P(the number of a true one > that of a false one) + half of P(they are equal)         (Mann and Whitney)
    Brier   mean of (number - truth)²                                                             (Brier, 1950)
    ECE     sum over 10 bins of equal mass of (share of the bin) |mean number - share true|       (Naeini et al., 2015)

The interval of AUROC turns Hanley and McNeil's variance (Radiology 143, 1982) round as Wilson's does that of a rate:
it holds every A with |A - found| <= z sqrt(V(A)) (Newcombe, Statistics in Medicine 25, 2006, method 5):

    V(A) = A(1 - A) (1 + h (1 - A)/(2 - A) + h A/(1 + A)) / (true * false),   h = (true + false)/2 - 1

So it has a width where every true one is above every false one; DeLong's has none there.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from tasks.assurance.rates import Rate, Z, rounded, wilson
from tasks.records.base import Record

_BINS = 10
_POINTS = 50
_HALVINGS = 60
_NEAR = 1e-9


class Scored(NamedTuple):
    """A number from 0 to 1, and whether what it stands for came true."""

    number: float
    true: bool


class Area(Record):
    """AUROC with its 95 % interval: 0.5 tells nothing, 1 everything. Null unless there are true ones and false ones."""

    value: float | None
    true: int = Field(ge=0)
    false: int = Field(ge=0)
    low: float | None
    high: float | None
    method: Literal["hanley-mcneil, newcombe 5"] = "hanley-mcneil, newcombe 5"


class CoveragePoint(Record):
    """What would go out without a person at a threshold: `automatic` with at least that number, `share` of all; and how
    many of them are wrong."""

    threshold: float
    automatic: int = Field(ge=0)
    share: float
    error: Rate


def area(scored: Iterable[Scored]) -> Area:
    """AUROC of these numbers."""
    told = list(scored)
    true = sorted(one.number for one in told if one.true)
    false = Counter(one.number for one in told if not one.true)
    lost = false.total()
    if not true or not lost:
        return Area(value=None, true=len(true), false=lost, low=None, high=None)
    above = sum(
        times * (2 * len(true) - bisect_left(true, number) - bisect_left(true, math.nextafter(number, math.inf)))
        for number, times in false.items()
    )
    found = above / (2 * len(true) * lost)

    def beyond(value: float) -> float:
        """Below 0 inside the interval."""
        half = (len(true) + lost) / 2 - 1
        bulge = 1 + half * (1 - value) / (2 - value) + half * value / (1 + value)
        return (value - found) ** 2 - Z * Z * value * (1 - value) * bulge / (len(true) * lost)

    low, high = _bound(beyond, found, 0.0), _bound(beyond, found, 1.0)
    value = rounded(found)
    return Area(value=value, true=len(true), false=lost, low=min(value, rounded(low)), high=max(value, rounded(high)))


def brier(scored: Sequence[Scored]) -> float | None:
    """Mean squared distance from the truth, 0 to 1; 0 is best, and always saying 0.5 gives 0.25. None of nothing."""
    if not scored:
        return None
    return rounded(math.fsum((one.number - one.true) ** 2 for one in scored) / len(scored))


def calibration_error(scored: Sequence[Scored]) -> float | None:
    """ECE over ten bins of equal mass, 0 to 1; 0 is best. None of nothing.

    Equal numbers fall into one bin, the one of the middle of their ranks: numbers that crowd at 1 make bins of
    different mass, and not a result that hangs on their order.
    """
    bins: dict[int, list[Scored]] = {}
    ordered = sorted(scored)
    numbers = [one.number for one in ordered]
    for one in ordered:
        first, after = bisect_left(numbers, one.number), bisect_left(numbers, math.nextafter(one.number, math.inf))
        bins.setdefault((first + after - 1) * _BINS // (2 * len(ordered)), []).append(one)
    if not ordered:
        return None
    apart = (
        abs(math.fsum(one.number for one in members) - sum(one.true for one in members)) for members in bins.values()
    )
    return rounded(math.fsum(apart) / len(ordered))


def coverage(scored: Sequence[Scored], of: int) -> tuple[CoveragePoint, ...]:
    """What each threshold would let through, strict to lax: at most 50 of the numbers that occur, evenly by rank.

    `of` is how many there are in all, with those that no threshold would let through.
    """
    ordered = sorted((one.number for one in scored), reverse=True)
    places = range(len(ordered)) if len(ordered) <= _POINTS else _evenly(len(ordered))
    points = []
    for threshold in sorted({ordered[place] for place in places}, reverse=True):
        above = [one.true for one in scored if one.number >= threshold]
        wrong = wilson(above.count(False), len(above))
        share = rounded(len(above) / of)
        points.append(CoveragePoint(threshold=threshold, automatic=len(above), share=share, error=wrong))
    return tuple(points)


def _evenly(length: int) -> list[int]:
    return [round(step * (length - 1) / (_POINTS - 1)) for step in range(_POINTS)]


def _bound(beyond: Callable[[float], float], found: float, end: float) -> float:
    """Where the interval ends between what was found and 0 or 1."""
    if found == end:
        return end
    inside, outside = min(max(found, _NEAR), 1 - _NEAR), end  # V is 0 at 0 and at 1, where nothing is inside
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if beyond(middle) <= 0 else (inside, middle)
    return outside
