"""Rates: bounds that are bounds, the same as scipy's own, and as often right as they say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from tasks.assurance.rates import Rate, clopper_pearson, share, unknown, wilson
from tests.builders import examples

METHODS = {"wilson": ("wilson", wilson), "exact": ("clopper-pearson", clopper_pearson)}


@st.composite
def counts(draw: st.DrawFn, most: int = 100_000) -> tuple[int, int]:
    """So many of so many, one at least."""
    of = draw(st.integers(1, most))
    return draw(st.integers(0, of)), of


@pytest.mark.parametrize("of_scipy", METHODS)
@given(counts())
@examples(100)
def test_bounds_are_around_the_value_and_those_that_scipy_gives(of_scipy: str, counted: tuple[int, int]) -> None:
    count, of = counted
    method, make = METHODS[of_scipy]
    rate = make(count, of)
    assert rate.method == method
    assert (rate.count, rate.of, rate.value) == (count, of, pytest.approx(count / of, abs=1e-6))
    assert rate.value is not None
    assert rate.low is not None
    assert rate.high is not None
    assert 0 <= rate.low <= rate.value <= rate.high <= 1
    oracle = binomtest(count, of).proportion_ci(0.95, of_scipy)
    assert (rate.low, rate.high) == pytest.approx((oracle.low, oracle.high), abs=1e-6)


def covered(make: Callable[[int, int], Rate], of: int, truth: float) -> float:
    """How often the interval holds the truth, by adding up all that can be counted."""
    rates = [make(count, of) for count in range(of + 1)]
    holds = [(rate.low or 0) <= truth <= (rate.high or 1) for rate in rates]
    return sum(binom.pmf(count, of, truth) for count, held in enumerate(holds) if held)


@given(st.integers(1, 60), st.floats(0.001, 0.999))
@examples()
def test_a_clopper_pearson_interval_holds_the_truth_as_often_as_it_says(of: int, truth: float) -> None:
    assert covered(clopper_pearson, of, truth) >= 0.95 - 1e-3  # a bound of six digits may be on the wrong side


def test_a_wilson_interval_holds_the_truth_so_often_on_average() -> None:
    for of in (20, 60):
        told = [covered(wilson, of, truth / 200) for truth in range(1, 200)]
        assert sum(told) / len(told) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(("of", "failures"), [(59, 0), (93, 1), (124, 2), (153, 3)])
def test_no_more_than_five_in_a_hundred_takes_as_many_as_the_table_says(of: int, failures: int) -> None:
    """One-sided at 95 % needs these; two-sided at 95 % a few more."""
    assert (clopper_pearson(failures, of).high or 0) > 0.05
    assert (clopper_pearson(failures, of + 40).high or 1) < 0.05


def test_a_rate_of_nothing_is_unknown() -> None:
    assert wilson(0, 0) == share([]) == unknown()
    assert clopper_pearson(0, 0) == unknown("clopper-pearson")
    assert (unknown().value, unknown().low, unknown().high) == (None, None, None)
    assert share([True, False, True]) == wilson(2, 3)


@pytest.mark.parametrize("make", [wilson, clopper_pearson])
@pytest.mark.parametrize(("count", "of"), [(2, 1), (-1, 5), (0, -1)])
def test_more_than_all_is_no_rate(make: Callable[[int, int], Rate], count: int, of: int) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        make(count, of)
