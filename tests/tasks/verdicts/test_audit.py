"""Tests of the lottery of audits: an even share, at least one a run, and nothing but seed and verdict in it."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.verdicts import ReviewReason, Verdict
from tasks.verdicts.audit import SHARE, draw, probability, verdict_key, with_audits
from tests.builders import sha
from tests.tasks.assurance.made_up import make_selection

VERDICTS = [sha(f"verdict {number}") for number in range(10_000)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_share_is_right_over_10_000_verdicts(seed: int) -> None:
    drawn = draw(VERDICTS, seed)
    assert abs(len(drawn) / 10_000 - SHARE) <= 3 * math.sqrt(SHARE * (1 - SHARE) / 10_000)
    assert set(drawn.values()) == {probability(10_000)}


@pytest.mark.parametrize("size", [1, 3, 20, 100])
def test_each_verdict_of_a_run_is_drawn_as_often_as_pi_says(size: int) -> None:
    times = 2000
    counts = Counter(key for seed in range(times) for key in draw(VERDICTS[:size], seed))
    pi = probability(size)
    error = math.sqrt(pi * (1 - pi) / times)
    assert all(abs(counts[key] / times - pi) <= 4.5 * error for key in VERDICTS[:size])


@given(st.sets(st.sampled_from(VERDICTS[:200]), max_size=60), st.integers(0, 2**31 - 1), st.randoms())
def test_one_is_drawn_at_least_and_the_order_changes_nothing(keys: set[str], seed: int, rng: object) -> None:
    turned = list(keys)
    rng.shuffle(turned)  # type: ignore[attr-defined]
    drawn = draw(keys, seed)
    assert draw([*turned, *turned], seed) == drawn
    assert bool(drawn) == bool(keys)
    assert set(drawn) <= keys


def test_only_automatic_verdicts_of_the_judge_are_audited_and_one_evidence_is_one_verdict() -> None:
    twice = make_selection(1)
    told = [
        twice,
        twice.model_copy(update={"ticket_id": "QC-0001#2"}),
        make_selection(2, reasons=[ReviewReason.TIE]),
        make_selection(3, proposed=Verdict.FAIL, reused_from="answer"),
    ]
    found = with_audits(told, 0)
    assert [one.audit for one in found] == [1.0, 1.0, None, None]
    assert [one.model_copy(update={"audit": None}) for one in found] == told
    assert verdict_key(sha("evidence"), sha("judge")) != verdict_key(sha("judge"), sha("evidence"))
