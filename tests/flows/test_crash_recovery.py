"""Runs that died: how often they are resumed, and the page that is left of them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import ArtifactSort
from prefect.context import FlowRunContext
from prefect.states import State

from configs.errors import ConfigError
from flows.crash_recovery import MOST_RESUMED, RESUMING, stop_if_crashing, times_resumed
from flows.stage_a import stage_a
from infra.automations import automations

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


def states(*names: str) -> list[State[Any]]:
    """States of these names, a minute apart."""
    types = {
        "Scheduled": StateType.SCHEDULED,
        "AwaitingRetry": StateType.SCHEDULED,
        RESUMING: StateType.SCHEDULED,
        "Late": StateType.SCHEDULED,
        "Running": StateType.RUNNING,
        "Crashed": StateType.CRASHED,
    }
    return [
        State(type=types[name], name=name, timestamp=BEGAN + timedelta(minutes=minute))
        for minute, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("names", "times"),
    [
        (["Scheduled", "Running"], 0),
        (["Scheduled", "Running", "Crashed", RESUMING, "Running"], 1),
        (["Scheduled", "Running", "Crashed", RESUMING, "Late", "Running", "Crashed", RESUMING, "Running"], 2),
        (["Scheduled", "Running", "Crashed", RESUMING, "Crashed", "AwaitingRetry", "Running"], 0),
        (["Scheduled", "Crashed", RESUMING, "Crashed", "AwaitingRetry", "Crashed", RESUMING, "Running"], 1),
    ],
)
def test_what_automation_did_since_a_person_last_did(names: list[str], times: int) -> None:
    assert times_resumed(states(*names)) == times
    assert times_resumed(list(reversed(states(*names)))) == times


@pytest.mark.usefixtures("prefect_harness")
@pytest.mark.parametrize("resumed", [MOST_RESUMED, MOST_RESUMED + 1])
def test_a_run_that_crashed_too_often_ends(resumed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__RUN_COUNT", "2")

    @flow(name=f"crashing-{uuid.uuid4().hex[:8]}", flow_run_name="crashing")
    def crashing() -> None:
        run = FlowRunContext.get().flow_run.id
        with get_client(sync_client=True) as client:
            for _ in range(resumed):
                client.set_flow_run_state(run, State(type=StateType.SCHEDULED, name=RESUMING), force=True)
            client.set_flow_run_state(run, State(type=StateType.RUNNING), force=True)
        stop_if_crashing()

    state = crashing(return_state=True)
    assert state.is_failed() == (resumed > MOST_RESUMED), state.message
    assert "resumed 3 times in a row" in (state.message or "") or state.is_completed()


def test_a_failed_run_leaves_a_page(prefect_harness: str) -> None:
    with pytest.raises(ConfigError):
        stage_a(mission="挡风板安装检查", input_root="/nowhere", store="/nowhere", device="cpu")
    with get_client(sync_client=True) as client:
        key = ArtifactFilterKey(any_=["stage-a-air-baffle-trouble"])
        pages = client.read_artifacts(artifact_filter=ArtifactFilter(key=key), sort=ArtifactSort.CREATED_DESC, limit=1)
    assert pages
    page = str(pages[0].data)
    assert "/runs/flow-run/" in page
    assert "nowhere" in page
    assert "stage-a-air-baffle-quarantine" in page


def test_people_are_told_only_through_a_block() -> None:
    assert {one.name for one in automations(uuid.uuid4())} > {one.name for one in automations(None)}
