"""AUROC, Brier, ECE and coverage: by their definitions, in any order, and with an interval that holds."""

from __future__ import annotations

import random
from itertools import product

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm

from tasks.assurance.discrimination import Scored, area, brier, calibration_error, coverage
from tests.builders import examples

# Few different numbers, so that many are equal.
NUMBERS = st.one_of(st.sampled_from([0.0, 0.5, 0.75, 1.0]), st.floats(0, 1))
SCORED = st.lists(st.builds(Scored, NUMBERS, st.booleans()), max_size=60)


@given(SCORED, st.randoms(use_true_random=False))
@examples(80)
def test_the_order_changes_nothing(scored: list[Scored], order: random.Random) -> None:
    mixed = [*scored]
    order.shuffle(mixed)
    for measure in (area, brier, calibration_error):
        assert measure(mixed) == measure(scored)
    assert coverage(mixed, 60) == coverage(scored, 60)


@given(SCORED)
@examples(80)
def test_auroc_is_the_share_of_pairs_in_the_right_order(scored: list[Scored]) -> None:
    true = [one.number for one in scored if one.true]
    false = [one.number for one in scored if not one.true]
    found = area(scored)
    assert (found.true, found.false) == (len(true), len(false))
    if not true or not false:
        assert (found.value, found.low, found.high) == (None, None, None)
        return
    pairs = [1.0 if high > low else 0.5 if high == low else 0.0 for high, low in product(true, false)]
    assert found.value == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)
    assert found.value == pytest.approx(mannwhitneyu(true, false).statistic / len(pairs), abs=1e-6)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= (found.value or 0) <= found.high <= 1


def test_a_perfect_order_of_few_is_not_certain() -> None:
    few = area([Scored(0.9, True)] * 5 + [Scored(0.1, False)] * 5)
    many = area([Scored(0.9, True)] * 500 + [Scored(0.1, False)] * 500)
    assert few.value == few.high == many.value == 1.0
    assert (few.low or 1) < 0.8 < (many.low or 0) < 1.0
    turned = area([Scored(0.1, True)] * 5 + [Scored(0.9, False)] * 5)
    assert (turned.low, turned.high) == (0.0, pytest.approx(1 - (few.low or 0), abs=1e-6))


@pytest.mark.parametrize("truth", [0.6, 0.8, 0.95])
def test_the_interval_of_auroc_holds_the_truth_nineteen_times_of_twenty(truth: float) -> None:
    """Two normal distributions, as far apart as the true AUROC asks. Near 1 the interval is wider than it need be."""
    rng = numpy.random.default_rng(4)
    apart = 2**0.5 * norm.ppf(truth)
    held = 0
    for _ in range(400):
        true, false = norm.cdf(rng.normal(apart, size=60)), norm.cdf(rng.normal(size=25))
        found = area([Scored(float(n), True) for n in true] + [Scored(float(n), False) for n in false])
        held += (found.low or 0) <= truth <= (found.high or 1)
    assert 0.93 <= held / 400 <= 0.99


def test_brier_is_the_mean_squared_distance() -> None:
    assert brier([]) is None
    assert brier([Scored(0.5, True), Scored(0.5, False)]) == 0.25
    assert brier([Scored(1.0, True), Scored(0.8, False)]) == 0.32


def test_a_number_that_comes_true_as_often_as_it_says_has_no_calibration_error() -> None:
    honest = [Scored(tenths / 10, part < tenths) for tenths in range(10) for part in range(10)]
    assert calibration_error(honest) == 0.0
    assert calibration_error([Scored(1.0, part < 7) for part in range(10)]) == pytest.approx(0.3)
    assert calibration_error([]) is None


def test_bins_have_equal_mass() -> None:
    """Ten of a hundred each: by width, nine bins would be empty and one would hide all."""
    scored = [Scored(0.9 + number / 1000, True) for number in range(100)]
    by_hand = sum(abs(sum(0.9 + n / 1000 for n in range(first, first + 10)) - 10) for first in range(0, 100, 10)) / 100
    assert calibration_error(scored) == pytest.approx(by_hand, abs=1e-6)


@given(SCORED, st.integers(0, 40))
@examples(80)
def test_coverage_goes_from_strict_to_lax_and_counts_what_is_above(scored: list[Scored], others: int) -> None:
    of = len(scored) + others
    points = coverage(scored, of)
    assert len(points) <= 50
    thresholds = [point.threshold for point in points]
    assert thresholds == sorted(set(thresholds), reverse=True)
    for point in points:
        above = [one for one in scored if one.number >= point.threshold]
        assert (point.automatic, point.error.of) == (len(above), len(above))
        assert point.share == pytest.approx(len(above) / of, abs=1e-6)
        assert point.error.count == sum(not one.true for one in above)
    if scored:
        assert points[-1].automatic == len(scored)


def test_many_different_scores_make_a_coarse_curve_with_both_ends() -> None:
    points = coverage([Scored(number / 1000, True) for number in range(1000)], 2000)
    assert len(points) == 50
    assert (points[0].automatic, points[-1].automatic, points[-1].share) == (1, 1000, 0.5)
