"""Marks for answers: Wilson's intervals, right answers are marked right, and each kind of mistake in its own column."""

from __future__ import annotations

import pytest

from infra.demo.scenes import Split
from infra.demo.training.critics import candidate, opinion
from infra.demo.training.tickets import Box, Ticket, pool
from infra.demo.training.verdict_marks import critic_marks, marks, pair_marks, sample_marks, share


@pytest.fixture(scope="module")
def tickets() -> list[Ticket]:
    box = Box(pool(Split.TESTS, 500))
    return [box.ticket(seed) for seed in range(120)]


def test_an_interval_is_wilsons() -> None:
    assert share([True] * 95 + [False] * 5) == {"right": 95, "of": 100, "share": 0.95, "low": 0.8882, "high": 0.9785}
    assert share([True] * 20)["low"] == pytest.approx(0.8389, abs=1e-4)
    assert share([]) == {"right": 0, "of": 0, "share": None, "low": None, "high": None}


def test_right_answers_are_right_in_every_column(tickets: list[Ticket]) -> None:
    found = marks(tickets, [ticket.answer for ticket in tickets])
    for name, value in found.items():
        if name != "tickets":
            assert value["share"] == (0.0 if name.startswith("wrongly") else 1.0), name
            assert value["of"] > 0


def test_each_mistake_is_seen(tickets: list[Ticket]) -> None:
    def after(old: str, new: str) -> dict[str, object]:
        return marks(tickets, [ticket.answer.replace(old, new) for ticket in tickets])

    assert after("Reason: ", "")["format"]["share"] == 0  # type: ignore[index]
    assert after("（", "（image_9,")["photos cited"]["share"] == 0  # type: ignore[index]
    assert after("（image_", "（image_8,image_")["what is said is on every photo cited"]["share"] < 0.05  # type: ignore[operator,index]
    assert after("Verdict: 不通过", "Verdict: 通过")["wrongly passed"]["share"] == 1  # type: ignore[index]
    assert after("Confidence: 0.5", "Confidence: 0.9")["missing evidence: confidence below 0.7"]["share"] == 0  # type: ignore[index]
    assert after("（", "有（")["whole reason"]["share"] == 0  # type: ignore[index]


def test_pairs_samples_and_critics(tickets: list[Ticket]) -> None:
    clear = [ticket for ticket in tickets if ticket.outcome.verdict]
    one, other = clear[0], clear[1]
    found = pair_marks([(one, one.answer, other, other.answer), (one, one.answer, other, "")])
    assert found["all"]["right"] == 1
    turned = {"通过": "不通过", "不通过": "通过"}[str(one.outcome.verdict)]
    wrong = one.answer.replace(f"Verdict: {one.outcome.verdict}", f"Verdict: {turned}")
    assert sample_marks([one, other], [(one.answer, wrong), (other.answer,) * 2])["evidence: differ"]["right"] == 1
    told = [candidate(ticket) for ticket in tickets]
    critics = critic_marks(tickets, told, [opinion(*pair) for pair in zip(tickets, told, strict=True)])
    assert critics["strict JSON"]["share"] == critics["wrong, of those flagged"]["share"] == 1
    assert critics["wrong, of those not flagged"]["share"] == 0
    assert critic_marks(tickets, told, ["prose"] * len(tickets))["strict JSON"]["share"] == 0
