"""Tests of the weighted rate of audits, on draws that the judge's own lottery makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assurance.audited import weighted
from tasks.assurance.rates import clopper_pearson
from tasks.verdicts.audit import draw
from tests.builders import sha

NIGHTS = (1, 2, 3, 5, 8, 20, 40, 60, 80, 120)
"""Automatic verdicts of the runs of ten nights."""


@pytest.mark.parametrize("rates", [(0.04, 0.04), (0.02, 0.3)], ids=["alike", "worse in small runs"])
def test_the_weighted_rate_covers_the_truth(rates: tuple[float, float]) -> None:
    """1,000 times ten nights. Small runs audit up to 20 times as much of what they let out: unweighted, they decide."""
    rng = np.random.default_rng(5)
    nights = [[sha(f"{night} {number}") for number in range(size)] for night, size in enumerate(NIGHTS)]
    covered = plain = 0
    for repetition in range(1000):
        wrong, pi, all_wrong = [], [], []
        for keys in nights:
            truth = dict(zip(keys, rng.random(len(keys)) < (rates[1] if len(keys) < 10 else rates[0]), strict=True))
            drawn = draw(keys, repetition)
            wrong += [bool(truth[key]) for key in drawn]
            pi += drawn.values()
            all_wrong += truth.values()
        found, share = weighted(wrong, pi), float(np.mean(all_wrong))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= share <= found.high
        unweighted = clopper_pearson(sum(wrong), len(wrong))
        assert unweighted.low is not None
        plain += unweighted.low <= share
    assert covered >= 930
    if rates[0] != rates[1]:
        assert plain < covered


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.floats(0.01, 1.0))
def test_with_equal_weights_it_is_clopper_and_pearsons(wrong: list[bool], pi: float) -> None:
    found, known = weighted(wrong, [pi] * len(wrong)), clopper_pearson(sum(wrong), len(wrong))
    assert (found.value, found.count, found.of) == (known.value, known.count, known.of)
    assert found.low == pytest.approx(known.low, abs=1e-5)
    assert found.high == pytest.approx(known.high, abs=1e-5)


def test_without_audits_nothing_is_known() -> None:
    assert weighted([], []).value is None
    with pytest.raises(ValueError, match="probabilities"):
        weighted([True], [])
