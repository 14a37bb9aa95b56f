"""Tests of counting votes: no tie decides, what could not be read counts against both, order does not matter."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations, product
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.verdicts import Clause, Verdict, Votes
from tasks.verdicts.votes import Candidate, agreement, count, pass_probability, pick, proposed, score
from tests.builders import examples

TABLES = [Votes(passed=a, failed=b, none=none) for a, b, none in product(range(10), repeat=3) if 1 <= a + b + none <= 9]
"""All tables of one to nine candidates."""

checks: st.SearchStrategy[Literal["ok", "wrong", "uncited"]] = st.sampled_from(["ok", "wrong", "uncited"])
clauses = st.lists(st.builds(Clause, text=st.just("有"), cites=st.just(("image_1",)), check=checks), max_size=3).map(
    tuple
)
candidates = st.lists(
    st.builds(
        Candidate,
        index=st.just(0),
        temperature=st.sampled_from([0.0, 0.5, 0.9]),
        verdict=st.sampled_from([*Verdict, None]),
        reason=st.just("有（image_1）"),
        confidence=st.none() | st.sampled_from([0.0, 0.5, 0.93]),
        clauses=clauses,
    ),
    min_size=1,
    max_size=9,
).map(lambda found: [replace(one, index=index) for index, one in enumerate(found)])


def clause(check: Literal["ok", "wrong", "uncited"]) -> Clause:
    return Clause(text="有", cites=("image_1",), check=check)


def voters(votes: Votes) -> list[Verdict | None]:
    return [Verdict.PASS] * votes.passed + [Verdict.FAIL] * votes.failed + [None] * votes.none


def test_all_tables_up_to_nine_candidates_are_counted_as_they_are() -> None:
    assert len(TABLES) == 219
    for votes in TABLES:
        assert count(voters(votes)) == votes
        assert votes.asked == len(voters(votes))


def test_only_more_than_half_of_all_candidates_propose_a_verdict() -> None:
    for votes in TABLES:
        half = votes.asked / 2
        expected = {votes.passed > half: Verdict.PASS, votes.failed > half: Verdict.FAIL}.get(True)
        assert proposed(votes) is expected
        if votes.passed == votes.failed or votes.none >= half:
            assert proposed(votes) is None


def test_agreement_has_all_candidates_below_the_line() -> None:
    for votes in TABLES:
        assert agreement(votes) == max(votes.passed, votes.failed) / votes.asked
        unread = Votes(passed=votes.passed, failed=votes.failed, none=votes.none + 1)
        assert agreement(unread) < agreement(votes) or agreement(votes) == 0


def test_losing_a_vote_never_proposes_the_other_verdict() -> None:
    for votes in TABLES:
        for name in ("passed", "failed"):
            if getattr(votes, name):
                fewer = votes.model_copy(update={name: getattr(votes, name) - 1, "none": votes.none + 1})
                assert proposed(fewer) in (proposed(votes), None)


@pytest.mark.parametrize(
    ("table", "verdict", "share"),
    [
        ((3, 3, 1), None, 3 / 7),
        ((4, 3, 0), Verdict.PASS, 4 / 7),
        ((0, 4, 3), Verdict.FAIL, 4 / 7),
        ((0, 3, 4), None, 3 / 7),
        ((3, 3, 0), None, 1 / 2),
        ((0, 2, 2), None, 1 / 2),
        ((0, 0, 7), None, 0),
        ((0, 0, 0), None, 0),
    ],
)
def test_ties_and_unread_candidates_decide_nothing(
    table: tuple[int, int, int], verdict: Verdict | None, share: float
) -> None:
    votes = Votes(passed=table[0], failed=table[1], none=table[2])
    assert (proposed(votes), agreement(votes)) == (verdict, share)


def test_every_order_of_the_voters_counts_the_same() -> None:
    for votes in TABLES:
        if votes.asked <= 6:
            assert {count(order) for order in set(permutations(voters(votes)))} == {votes}


@examples(200)
@given(candidates, st.randoms(use_true_random=False))
def test_the_order_in_which_candidates_come_changes_nothing(found: list[Candidate], mixer: object) -> None:
    mixed = list(found)
    mixer.shuffle(mixed)  # type: ignore[attr-defined]
    for verdict in Verdict:
        assert pick(mixed, verdict) == pick(found, verdict)


@examples(200)
@given(candidates, st.data())
def test_other_indices_change_nothing_but_which_of_two_equal_candidates_wins(
    found: list[Candidate], data: st.DataObject
) -> None:
    places = data.draw(st.permutations(range(len(found))))
    moved = [replace(one, index=place) for one, place in zip(found, places, strict=True)]
    assert count(one.verdict for one in moved) == count(one.verdict for one in found)
    for verdict in Verdict:
        before, after = pick(found, verdict), pick(moved, verdict)
        assert (before is None) is (after is None)
        if before and after:
            assert replace(before, index=0, clauses=()) == replace(after, index=0, clauses=())
            assert faults(before) == faults(after)


@examples(200)
@given(candidates)
def test_the_winner_voted_for_the_verdict_and_nobody_else_who_did_ranks_before_it(found: list[Candidate]) -> None:
    for verdict in Verdict:
        winner, rivals = pick(found, verdict), [one for one in found if one.verdict is verdict]
        assert (winner is None) is (not rivals)
        if winner:
            assert winner in rivals
            assert faults(winner) == min(map(faults, rivals))


def faults(candidate: Candidate) -> int:
    return sum(one.check != "ok" for one in candidate.clauses)


def test_the_winner_has_fewest_faults_then_confidence_then_low_temperature_then_low_index() -> None:
    def one(
        index: int, temperature: float, confidence: float | None, *told: Literal["ok", "wrong", "uncited"]
    ) -> Candidate:
        return Candidate(index, temperature, Verdict.FAIL, "有", confidence, tuple(map(clause, told)))

    ranked = [
        one(6, 0.9, 0.50, "ok"),
        one(7, 0.0, None, "ok"),
        one(5, 0.0, 0.90, "ok", "uncited"),
        one(2, 0.5, 0.80, "wrong"),
        one(4, 0.5, 0.80, "wrong"),
        one(1, 0.9, 0.80, "wrong"),
        one(0, 0.0, 0.99, "wrong", "uncited"),
        one(3, 0.0, 1.00, "wrong", "wrong", "ok"),
    ]
    left = sorted(ranked, key=lambda candidate: candidate.index)
    order = []
    while winner := pick(left, Verdict.FAIL):
        order.append(winner)
        left.remove(winner)
    assert order[:6] == ranked[:6]
    assert [one.index for one in order[6:]] == [3, 0]
    assert pick(ranked, Verdict.PASS) is None


def test_p_pass_is_the_mean_over_the_orders() -> None:
    assert pass_probability([(math.log(0.9), math.log(0.1))]) == pytest.approx(0.9)
    assert pass_probability([(math.log(0.9), math.log(0.1)), (-5.0, -5.0)]) == pytest.approx(0.7)
    assert pass_probability([(-1000.0, -1.0)]) == pytest.approx(0)
    assert pass_probability([(-1.0, -1000.0)]) == 1
    assert pass_probability([(-math.inf, -1.0)]) == 0
    assert pass_probability([(-math.inf, -math.inf)]) == 0.5


@pytest.mark.parametrize("log_probs", [[], [(math.nan, -1.0)], [(-1.0, -1.0), (-1.0, math.nan)]])
def test_p_pass_of_nothing_or_of_no_number_is_refused(log_probs: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="log-probability"):
        pass_probability(log_probs)


logs = st.floats(max_value=0, allow_nan=False)


@examples(200)
@given(st.lists(st.tuples(logs, logs), min_size=1, max_size=3))
def test_p_pass_is_a_probability_and_the_other_verdict_has_the_rest(pairs: list[tuple[float, float]]) -> None:
    p_pass = pass_probability(pairs)
    assert 0 <= p_pass <= 1
    assert pass_probability([(failed, passed) for passed, failed in pairs]) == pytest.approx(1 - p_pass)
    assert pass_probability(pairs[::-1]) == p_pass


def test_the_score_is_that_of_the_proposed_verdict() -> None:
    for votes in TABLES:
        verdict = proposed(votes)
        if verdict is None:
            assert score(verdict, 0.9, votes) is score(verdict, None, votes) is None
        else:
            assert score(verdict, 0.75, votes) == (0.75 if verdict is Verdict.PASS else 0.25)
            assert score(verdict, None, votes) == agreement(votes)
