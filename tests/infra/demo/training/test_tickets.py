"""Tickets to judge: drawn with the outcome that was asked for, turned around by a line, never of a lesson's scenes."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from infra.demo.scenes import Split
from infra.demo.training.critics import candidate, opinion
from infra.demo.training.tickets import HELD_OUT, Box, pool, settings, switched_on
from infra.demo.verdicts import SWITCHES
from infra.demo.wording import IRRELEVANT
from tasks.verdicts.answers import read
from tasks.verdicts.critic import read_critic
from tasks.verdicts.prompts import judge_prompt


@pytest.fixture(scope="module")
def box() -> Box:
    return Box(pool(Split.TESTS, 1000))


@pytest.mark.parametrize("mission", SWITCHES)
@pytest.mark.parametrize("verdict", ["通过", "不通过", None])
def test_a_ticket_has_the_outcome_that_was_asked_for(box: Box, mission: str, verdict: str | None) -> None:
    for seed in range(60):
        ticket = box.ticket(seed, box.sheet(random.Random(seed), mission), verdict)
        assert ticket.outcome.verdict == verdict
        assert ticket.sheet.mission == mission
        assert any(photo.text != IRRELEVANT for photo in ticket.photos)
        assert 1 <= len(ticket.photos) <= 8
        assert read(ticket.answer).reason == ticket.outcome.reason
        assert ticket.evidence == box.ticket(seed, ticket.sheet, verdict).evidence


def test_g0_stands_first_and_is_what_the_mission_requires(box: Box) -> None:
    ticket = box.ticket(3)
    prompt = judge_prompt("verdict", ticket.sheet.mission, ticket.sheet.guidance)
    lines = prompt.user.split("\n")
    assert lines[2].startswith("[G0] 至少有一台BBU设备；" if "挡风板" in ticket.sheet.mission else "[G0] 机柜侧")
    assert [line.split("]")[0] for line in lines[3:-2]] == [f"[G{n + 1}" for n in range(len(ticket.sheet.lines))]


def test_one_line_of_guidance_turns_the_verdict_of_a_ticket_around(box: Box) -> None:
    turned = 0
    for seed in range(150):
        ticket = box.ticket(seed)
        other = box.toggled(ticket)
        if other is None:
            continue
        turned += 1
        assert other.photos == ticket.photos
        assert {ticket.outcome.verdict, other.outcome.verdict} == {"通过", "不通过"}
        assert len(set(ticket.sheet.lines) ^ set(other.sheet.lines)) == 1
    assert turned > 40


def test_settings_that_are_held_out_are_in_no_lesson(box: Box) -> None:
    held_out = {(mission, switched_on(mission, bits)) for mission in SWITCHES for bits in HELD_OUT}
    rng = random.Random(0)
    assert not any((sheet.mission, sheet.on) in held_out for sheet in (box.sheet(rng) for _ in range(300)))
    examined = Box(pool(Split.TESTS, 1000), held_out=True)
    assert all((sheet.mission, sheet.on) in held_out for sheet in (examined.sheet(rng) for _ in range(100)))
    assert len(settings(True)) + len(settings(False)) == 16


def test_equal_summaries_orders_and_irrelevant_photos_occur(box: Box) -> None:
    texts = [ticket.evidence.text() for ticket in map(box.ticket, range(300))]
    assert sum(",image_" in text for text in texts) > 15
    assert sum(IRRELEVANT in text for text in texts) > 15
    assert sum(any(order in text for order in box.orders[:2]) for text in texts) >= 1


def test_half_of_the_candidates_are_wrong_and_the_critics_line_says_so(box: Box) -> None:
    kinds = Counter()
    for ticket in map(box.ticket, range(400)):
        told = candidate(ticket)
        answer, right = read(told.text), read_critic(opinion(ticket, told))
        assert not answer.violations
        assert right.format_ok
        if ticket.outcome.verdict is None:
            assert (right.needs_recheck, right.evidence_sufficiency) == (True, False)
            continue
        same = (answer.verdict, answer.reason) == (ticket.outcome.verdict, ticket.outcome.reason)
        assert told.wrong == (not same) == right.needs_recheck
        assert right.verdict == ticket.outcome.verdict
        assert right.recommended_action == ("人工复核" if told.wrong else ticket.outcome.verdict)
        kinds[told.critique] += 1
    assert 0.4 < kinds["结论和依据成立"] / kinds.total() < 0.6
    assert min(kinds["结论不成立"], kinds["依据不成立"]) > 40
