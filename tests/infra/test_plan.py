"""What a deploy decides of a thing: deleted, never deployed, deployed by an older release, killed before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient

from infra import memory as remembering
from infra.memory import Memory
from infra.merging import MISSING
from infra.plan import Step, make_plan

WANTED = {"paused": False, "description": "new", "schedules": {"night": {"cron": "0 2 * * *", "active": True}}}


@dataclass
class Kept:
    """A thing in memory instead of on a server."""

    there: Any
    name: str = "deployment x"
    wanted: dict[str, Any] = field(default_factory=lambda: WANTED)
    kept_unknown: tuple[str, ...] = ("paused", "schedules")
    needed: bool = True
    notes: list[str] = field(default_factory=list)

    def read(self, client: SyncPrefectClient) -> Any:
        return self.there

    def write(self, client: SyncPrefectClient, there: Any, document: dict[str, Any]) -> bool:
        self.there = document
        return bool(there != document)


def planned(thing: Kept, memory: Memory, reset: bool = False) -> Step:
    (step,) = make_plan(None, [thing], memory, reset)  # type: ignore[arg-type]
    return step


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """A memory that no server keeps."""
    monkeypatch.setattr(remembering.Memory, "_save", lambda self: None)
    return Memory()


def test_what_was_never_there_is_made_whole(memory: Memory) -> None:
    step = planned(Kept(MISSING), memory)
    assert step.merged.value == WANTED
    assert step.write(None) == "deployment x"  # type: ignore[arg-type]
    assert not step.remarks()


def test_what_a_killed_deploy_did_not_come_to_make_is_made_whole(memory: Memory) -> None:
    memory.begin({"deployment x": WANTED})
    assert planned(Kept(MISSING), memory).merged.value == WANTED


def test_what_was_deleted_is_made_without_its_schedule_or_not_at_all(memory: Memory) -> None:
    memory.begin({"deployment x": WANTED})
    memory.end("local", {})
    assert planned(Kept(MISSING), memory).merged.value == {**WANTED, "schedules": {}}
    assert planned(Kept(MISSING, needed=False), memory).merged.value is MISSING
    for needed in (True, False):
        assert planned(Kept(MISSING, needed=needed), memory, reset=True).merged.value == WANTED


def test_of_an_older_release_pauses_are_kept_and_the_rest_is_the_files(memory: Memory) -> None:
    there = {"paused": True, "description": "old", "schedules": {"night": {"cron": "0 4 * * *", "active": False}}}
    step = planned(Kept(there), memory)
    assert step.merged.value == {**there, "description": "new"}
    assert planned(Kept(there), memory, reset=True).merged.value == WANTED
    assert planned(Kept({**there, "schedules": {}}), memory).merged.value["schedules"] == {}


def test_several_deploys_that_were_killed_leave_nothing_that_looks_like_a_persons(memory: Memory) -> None:
    memory.begin({"deployment x": WANTED})
    memory.end("local", {})
    for text in ("second", "third"):
        memory.begin({"deployment x": {**WANTED, "description": text}})
    step = planned(Kept({**WANTED, "description": "second"}), memory)
    assert step.merged.value == WANTED
    assert not step.merged.kept
    memory.end("local", {})
    assert memory.deployed["deployment x"]["description"] == "third"
    assert memory.pending == {}


def test_what_a_person_wrote_into_environments_is_not_shown(memory: Memory) -> None:
    wanted = {"job_variables": {"env": {"A": "1"}}}
    memory.begin({"deployment x": wanted})
    memory.end("local", {})
    step = planned(Kept({"job_variables": {"env": {"A": "1", "TOKEN": "of-a-person"}}}, wanted=wanted), memory)
    (line,) = step.remarks()
    assert line == "KEPT job_variables.env.TOKEN: changed by hand"
