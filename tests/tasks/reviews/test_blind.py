"""Tests of what counts of people's answers: blind ones of the queue that is asked for, and one word a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from tasks.records.errors import RecordError
from tasks.records.jsonl import to_line
from tasks.records.reviews import Queue, ReviewEvent
from tasks.records.verdicts import Verdict
from tasks.reviews.blind import Label, fold, read_blind
from tasks.runs.keys import reviews_folder
from tests.builders import MISSION, sha

PASS, FAIL = Verdict.PASS, Verdict.FAIL
GROUP = sha("group")


def event(number: int = 1, **told: Any) -> ReviewEvent:
    """A blind answer 通过 for the certify queue, unless it is said otherwise."""
    values: dict[str, Any] = {
        "event": "answered",
        "queue": Queue.CERTIFY,
        "answer_key": GROUP,
        "evidence_digest": sha("evidence"),
        "group_id": "QC-0001",
        "verdict": PASS,
        "reviewer": "甲",
        "at": f"2026-03-01T08:00:{number:02d}Z",
        "blind": True,
    }
    return ReviewEvent(**{**values, **told})


def settled(*events: ReviewEvent, queue: Queue = Queue.CERTIFY) -> Verdict | None:
    """The verdict that these events give, None for none."""
    label = fold(queue, {GROUP: list(events)}).settled.get(GROUP)
    return label.verdict if label else None


def test_a_blind_answer_settles_a_group_and_one_that_saw_the_verdict_does_not() -> None:
    assert settled(event()) is PASS
    assert settled(event(blind=False)) is None
    assert settled(event(event="opened"), event(event="claimed")) is None


def test_what_was_said_before_the_reveal_counts_and_not_what_was_said_after() -> None:
    assert settled(event(verdict=FAIL, blind=False, before_reveal=PASS)) is PASS
    assert settled(event(), event(2, event="corrected", verdict=FAIL, blind=False)) is PASS


def test_the_last_answer_of_one_person_counts_and_a_withdrawn_one_does_not() -> None:
    assert settled(event(), event(2, verdict=FAIL)) is FAIL
    assert settled(event(), event(2, event="withdrawn", verdict=None)) is None
    assert settled(event(), event(2, event="withdrawn", verdict=None), event(3, verdict=FAIL)) is FAIL


def test_where_two_differ_a_third_decides() -> None:
    two = (event(), event(2, verdict=FAIL, reviewer="乙"))
    assert settled(*two) is None
    assert fold(Queue.CERTIFY, {GROUP: list(two)}).disputed == {GROUP}
    assert settled(*two, event(3, verdict=FAIL, reviewer="丙")) is FAIL


@pytest.mark.parametrize("queue", [Queue.FIX, Queue.AUDIT])
def test_answers_of_another_queue_are_refused_and_counted(queue: Queue) -> None:
    found = fold(Queue.CERTIFY, {GROUP: [event(queue=queue)]})
    assert (found.settled, found.refused) == ({}, 1)
    both = fold(Queue.CERTIFY, {GROUP: [event(queue=queue, verdict=FAIL), event(2)]})
    assert (both.settled, both.refused) == ({GROUP: Label(PASS, "2026-03-01T08:00:02Z")}, 0)


def test_events_are_read_in_the_order_of_their_keys_and_of_the_wanted_groups_alone(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for number, told in enumerate([event(), event(2, verdict=FAIL)], start=1):
        store.write(f"{reviews_folder(MISSION)}/{GROUP}/20260301T08000{number}Z-{9 - number}.json", to_line(told))
    store.write(f"{reviews_folder(MISSION)}/{sha('other')}/20260301T080000Z-1.json", b"{")
    assert read_blind(store, MISSION, Queue.CERTIFY, [GROUP]).settled[GROUP].verdict is FAIL
    assert read_blind(store, MISSION, Queue.CERTIFY, []).settled == {}
    with pytest.raises(RecordError, match="not JSON"):
        read_blind(store, MISSION, Queue.CERTIFY, [sha("other")])
