"""Tests of the certified threshold: exact p-values, and the promise itself, on missions whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import binom

from tasks.assurance.calibration import (
    Calibrated,
    Labelled,
    Plan,
    calibrate,
    certified,
    counted,
    least_labels,
    p_value,
    plan,
    spent_by,
)
from tests.tasks.assurance.worlds import GOOD, MIDDLING, WEAK, World, drawn, unlabelled

ALPHA, DELTA = 0.05, 0.1
DRAWS = 500

labelled = st.builds(
    Labelled,
    score=st.integers(50, 100).map(lambda number: number / 100),
    wrong=st.booleans(),
    since=st.sampled_from([0.5, 0.7, 0.9]),
).filter(lambda one: one.score >= one.since)
pools = st.lists(st.integers(0, 100).map(lambda number: number / 100), max_size=60)


@pytest.mark.parametrize("alpha", [0.01, 0.02, 0.05, 0.1])
def test_p_values_are_those_of_exact_arithmetic(alpha: float) -> None:
    exact = Fraction(alpha)
    for of in (1, 7, 58, 59, 93, 200, 400):
        total = Fraction(0)
        for wrong in range(min(of, 12) + 1):
            total += math.comb(of, wrong) * exact**wrong * (1 - exact) ** (of - wrong)
            assert p_value(wrong, of, alpha) == pytest.approx(float(total), rel=1e-12, abs=1e-12)
            assert p_value(wrong, of, alpha) == pytest.approx(float(binom.cdf(wrong, of, alpha)), rel=0, abs=1e-12)
    assert p_value(0, 0, alpha) == 1


@pytest.mark.parametrize(("wrong", "of"), [(-1, 3), (4, 3)])
def test_what_cannot_be_counted_has_no_p_value(wrong: int, of: int) -> None:
    with pytest.raises(ValueError, match="cannot be wrong"):
        p_value(wrong, of, ALPHA)


@pytest.mark.parametrize(
    ("alpha", "needed"), [(0.05, (59, 93, 124, 153)), (0.02, (149, 236, 313, 386)), (0.01, (299, 473, 628, 773))]
)
def test_the_fewest_labels_of_a_first_look(alpha: float, needed: tuple[int, ...]) -> None:
    assert tuple(least_labels(alpha, spent_by(1, DELTA), wrong) for wrong in range(4)) == needed


@given(alpha=st.floats(0.005, 0.3), spent=st.floats(1e-6, 0.2), wrong=st.integers(0, 30))
def test_one_label_fewer_is_never_enough(alpha: float, spent: float, wrong: int) -> None:
    enough = least_labels(alpha, spent, wrong)
    assert p_value(wrong, enough, alpha) <= spent < p_value(wrong, enough - 1, alpha) if enough > wrong else True


def test_58_right_labels_certify_nothing_and_59_do() -> None:
    def look(labels: int) -> Calibrated:
        told = [Labelled(0.9, False, 0.5)] * labels
        return calibrate(plan([], [0.5] * labels, ALPHA, spent_by(1, DELTA)), told)

    assert (look(58).threshold, look(58).lacking) == (None, 1)
    assert (look(59).threshold, look(59).lacking) == (0.5, 0)
    passed = look(59).passed
    assert passed is not None
    assert (passed.n, passed.k) == (59, 0)
    second = calibrate(plan([], [0.5] * 59, ALPHA, spent_by(2, DELTA)), [Labelled(0.9, False, 0.5)] * 59)
    assert (second.threshold, second.lacking) == (None, 13)  # a second look needs 72


def test_scores_that_are_all_one_have_one_threshold_beside_the_lowest() -> None:
    assert plan([1.0] * 300, [0.5] * 100, ALPHA, 0.05).thresholds == (1.0, 0.5)


def test_a_look_begins_where_labels_enough_are_expected() -> None:
    pool = np.linspace(0.5, 1.0, 1001)
    found = plan(pool, [0.5] * 200, ALPHA, 0.05)
    assert len(found.thresholds) == 50
    assert list(found.thresholds) == sorted(found.thresholds, reverse=True)
    expected = [200 * float((pool >= threshold).mean()) for threshold in found.thresholds]
    assert expected[found.begin] >= 1.5 * 59 > expected[found.begin - 1]
    assert plan(pool, [0.5] * 60, ALPHA, 0.05).begin == 49  # too few for any: the laxest, whatever the labels say
    with pytest.raises(ValueError, match="label"):
        plan(pool, [], ALPHA, 0.05)


@given(pools, st.lists(labelled, min_size=1, max_size=80), st.randoms(use_true_random=False))
def test_the_order_of_labels_and_groups_changes_nothing(pool: list[float], told: list[Labelled], rng: object) -> None:
    fixed = plan(pool, [one.since for one in told], 0.3, 0.2)
    turned, backwards = list(told), list(pool)
    rng.shuffle(turned)  # type: ignore[attr-defined]
    rng.shuffle(backwards)  # type: ignore[attr-defined]
    assert plan(backwards, [one.since for one in turned], 0.3, 0.2) == fixed
    assert calibrate(fixed, turned) == calibrate(fixed, told)


@given(pools, st.lists(labelled, min_size=1, max_size=80), st.data())
def test_a_wrong_label_in_place_of_a_right_one_never_certifies_more(
    pool: list[float], told: list[Labelled], data: st.DataObject
) -> None:
    fixed = plan(pool, [one.since for one in told], 0.3, 0.2)
    place = data.draw(st.integers(0, len(told) - 1))
    worse = [*told[:place], Labelled(told[place].score, True, told[place].since), *told[place + 1 :]]
    before, after = calibrate(fixed, told).threshold, calibrate(fixed, worse).threshold
    assert after is None or (before is not None and after >= before)


@given(pools, st.lists(labelled, min_size=1, max_size=80))
def test_the_threshold_is_the_last_before_the_first_that_fails(pool: list[float], told: list[Labelled]) -> None:
    fixed = plan(pool, [one.since for one in told], 0.3, 0.2)
    found = calibrate(fixed, told)
    last = None
    for one in found.curve[fixed.begin :]:
        able = [label for label in told if label.score >= one.threshold >= label.since]
        assert (one.n, one.k) == (len(able), sum(label.wrong for label in able))
        assert one.tested
        if binom.cdf(one.k, one.n, 0.3) > 0.2 if able else True:
            break
        last = one.threshold
    assert found.threshold == last


@given(st.lists(labelled, min_size=1, max_size=60), st.floats(0.5, 0.89))
def test_labels_say_nothing_of_thresholds_below_the_score_that_they_were_drawn_from(
    told: list[Labelled], threshold: float
) -> None:
    fixed = Plan(0.3, 0.2, (threshold,), 0)
    high = [Labelled(0.95, False, 0.9)] * 100
    assert calibrate(fixed, [*told, *high]) == calibrate(fixed, told)


def thresholds(
    world: World, places: NDArray[np.int64], look: int, alpha: float = ALPHA, pool: NDArray[np.float64] | None = None
) -> list[float | None]:
    """What a look at these labels certifies, a draw a row."""
    fixed = plan(unlabelled(world) if pool is None else pool, [0.5] * places.shape[1], alpha, spent_by(look, DELTA))
    scores = world.scores[places]
    found = certified(fixed, *counted(fixed, scores, world.wrong[places], np.full(scores.shape, 0.5)))
    return [None if place < 0 else fixed.thresholds[place] for place in found]


def naive(world: World, places: NDArray[np.int64]) -> float | None:
    """The laxest threshold at which no more than alpha of the labels are wrong."""
    order = np.argsort(-world.scores[places])
    fine = np.flatnonzero(world.wrong[places][order].cumsum() / np.arange(1, order.size + 1) <= ALPHA)
    return float(world.scores[places][order][fine[-1]]) if fine.size else None


def broken(share: float) -> float:
    """The share of draws that may break a promise kept with probability 1 - `share`, by three standard errors."""
    return share + 3 * math.sqrt(share * (1 - share) / DRAWS)


def too_lax(world: World, threshold: float | None, alpha: float = ALPHA) -> bool:
    return threshold is not None and world.risk(threshold) > alpha


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.15])
@pytest.mark.parametrize("world", [WEAK, MIDDLING], ids=["weak", "middling"])
def test_a_weak_judge_breaks_the_bound_no_more_often_than_promised(world: World, alpha: float) -> None:
    found = thresholds(world, drawn(world, np.random.default_rng(11), DRAWS, 200), 1, alpha)
    assert sum(too_lax(world, one, alpha) for one in found) / DRAWS <= broken(DELTA)


@pytest.mark.parametrize("world", [WEAK, MIDDLING], ids=["weak", "middling"])
def test_a_threshold_that_is_read_off_the_labels_breaks_it(world: World) -> None:
    places = drawn(world, np.random.default_rng(11), DRAWS, 200)
    assert sum(too_lax(world, naive(world, one)) for one in places) / DRAWS > 0.4


def test_a_good_judge_is_certified_and_most_of_what_it_proposes_goes_out() -> None:
    """200 groups are labelled, whatever is proposed of them: three quarters of them count."""
    labels = round(200 * GOOD.scores.size / GOOD.groups)
    found = thresholds(GOOD, drawn(GOOD, np.random.default_rng(12), DRAWS, labels), 1)
    assert sum(too_lax(GOOD, one) for one in found) / DRAWS <= broken(DELTA)
    out = [GOOD.share(one) for one in found if one is not None]
    assert len(out) / DRAWS >= 0.8
    assert np.median(out) >= 0.5


@pytest.mark.parametrize("world", [WEAK, MIDDLING, GOOD], ids=["weak", "middling", "good"])
def test_looking_after_every_20_labels_does_not_break_it(world: World) -> None:
    places = drawn(world, np.random.default_rng(13), DRAWS, 400)
    pool = unlabelled(world)
    lax = np.zeros(DRAWS, dtype=bool)
    for look in range(1, 21):
        found = thresholds(world, places[:, : 20 * look], look, pool=pool)
        lax |= [too_lax(world, one) for one in found]
    assert lax.mean() <= broken(DELTA)


def test_looking_after_every_label_as_if_it_were_the_first_look_would_break_it() -> None:
    """Why looks are counted: on labels that are wrong as often as alpha says, to the dot."""
    rng = np.random.default_rng(14)
    wrong = (rng.random((DRAWS, 200)) < ALPHA).cumsum(axis=1)
    p = binom.cdf(wrong, np.arange(1, 201), ALPHA)
    assert (p <= DELTA).any(axis=1).mean() > broken(DELTA)


def breaks_with_audits(world: World, rng: Generator, join: Callable[[float], float]) -> bool:
    """A first look, audits of what it lets out, a second look with them: whether anything breaks the bound. `join` says
    from which score on audits count, given the threshold in force."""
    order = rng.permutation(world.scores.size)
    pool = order[200:1700]
    (threshold,) = thresholds(world, order[None, :120], 1, pool=world.scores[pool])
    if threshold is None or too_lax(world, threshold):
        return threshold is not None
    rest = order[1700:]
    places = np.concatenate([order[:200], rest[world.scores[rest] >= threshold][:1000]])
    since = np.concatenate([np.full(200, 0.5), np.full(places.size - 200, join(threshold))])
    fixed = plan(world.scores[pool], list(since), ALPHA, spent_by(2, DELTA))
    last = certified(fixed, *counted(fixed, world.scores[places], world.wrong[places], since))
    return bool(last >= 0) and too_lax(world, fixed.thresholds[last])


def test_audits_that_join_above_the_threshold_in_force_do_not_break_it_and_below_they_do() -> None:
    rng = np.random.default_rng(4)
    scores = rng.uniform(0.5, 1.0, 5000)  # hardly ever wrong from 0.6 on, and half the time below
    world = World(scores, rng.random(5000) < np.where(scores < 0.6, 0.5, 0.003), 5000)
    for join, most, least in ((lambda threshold: threshold, broken(DELTA), 0.0), (lambda threshold: 0.5, 1.0, 0.5)):
        rng = np.random.default_rng(15)
        share = sum(breaks_with_audits(world, rng, join) for _ in range(DRAWS)) / DRAWS
        assert least <= share <= most


@cache
def needed(alpha: float, look: int, wrong: int) -> int:
    """The fewest labels that certify at a look."""
    return least_labels(alpha, spent_by(look, DELTA), wrong)


def breaks_by_going_on(world: World, rng: Generator, alpha: float) -> bool:
    """Four looks at most, each of as many further labels as would certify if one more of them is wrong: whether one
    breaks the bound."""
    order = rng.permutation(world.scores.size)
    pool, size = unlabelled(world), needed(alpha, 1, 1)
    for look in range(1, 5):
        places = order[:size]
        fixed = plan(pool, [0.5] * places.size, alpha, spent_by(look, DELTA))
        n, k = counted(fixed, world.scores[places], world.wrong[places], np.full(places.size, 0.5))
        last = int(certified(fixed, n, k))
        if last >= 0:
            return too_lax(world, fixed.thresholds[last], alpha)
        more = (needed(alpha, look + 1, int(k[at]) + 1) - int(n[at]) for at in range(n.size))
        size += max(min(more), 1)
    return False


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.13])
def test_looks_whose_size_follows_from_what_earlier_ones_found_do_not_break_it(alpha: float) -> None:
    rng = np.random.default_rng(16)
    assert sum(breaks_by_going_on(MIDDLING, rng, alpha) for _ in range(DRAWS)) / DRAWS <= broken(DELTA)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), levels=st.integers(2, 7))
def test_scores_that_are_votes_have_as_many_thresholds_as_levels(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    pool = rng.integers(levels + 1, 2 * levels + 1, 200) / (2 * levels)
    found = plan(pool, [0.5] * 100, ALPHA, 0.05)
    assert set(found.thresholds) == {*map(float, np.unique(pool)), 0.5}
