"""Tests of the alarm on audits: it goes off when verdicts go bad, and is rare while they are as good as promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.assurance.drift import LEVEL, evidence, watch

ALPHA = 0.05


def ever(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the alarm goes off, a run a row."""
    return (values >= 1 / LEVEL).any(axis=1)


def test_verdicts_that_become_worse_than_promised_are_found_within_400_audits() -> None:
    rng = np.random.default_rng(1)
    wrong = rng.random((100, 700)) < np.where(np.arange(700) < 300, 0.04, 0.16)
    values = evidence(wrong, ALPHA)
    early = ever(values[:, :300])
    found = ever(values) & ~early
    assert early.mean() <= LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / 100)
    assert found.sum() >= 90


@pytest.mark.parametrize("rate", [0.04, ALPHA])
def test_while_the_promise_holds_the_alarm_is_rare_however_often_one_looks(rate: float) -> None:
    runs = 1000
    wrong = np.random.default_rng(2).random((runs, 2000)) < rate
    assert ever(evidence(wrong, ALPHA)).mean() <= LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / runs)


def test_the_evidence_is_the_bet_that_is_written_down() -> None:
    """Against the formula, start by start and rate by rate."""
    wrong = np.random.default_rng(3).random(75) < 0.2
    values = evidence(wrong, ALPHA)
    rates = [times * ALPHA for times in (1.5, 2, 3, 4, 6)]
    for audits in (1, 20, 21, 60, 61, 75):
        started = range(1, (audits - 1) // 20 + 2)
        total = 1.0 - sum(1 / (b * (b + 1)) for b in started)  # starts to come: the product of none is 1
        for b in started:
            seen = wrong[20 * (b - 1) : audits]
            products = [math.prod(rate / ALPHA if one else (1 - rate) / (1 - ALPHA) for one in seen) for rate in rates]
            total += sum(products) / len(products) / (b * (b + 1))
        assert values[audits - 1] == pytest.approx(total, rel=1e-9)


@given(st.lists(st.booleans(), max_size=60))
def test_what_is_watched_says_when_the_alarm_went_off(wrong: list[bool]) -> None:
    found = watch(wrong, ALPHA)
    values = evidence(np.array(wrong, dtype=bool), ALPHA)
    assert (found.audits, found.wrong) == (len(wrong), sum(wrong))
    if found.alarm_at is None:
        assert not (values >= 20).any()
    else:
        assert values[found.alarm_at - 1] >= 20
        assert not (values[: found.alarm_at - 1] >= 20).any()
        assert watch([*wrong, False], ALPHA).alarm_at == found.alarm_at


def test_evidence_stays_a_number_whatever_is_found() -> None:
    values = evidence(np.ones(5000, dtype=bool), 0.01)
    assert np.isfinite(values).all()
    assert watch([], ALPHA).evidence == 1.0
