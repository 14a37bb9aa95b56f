"""Runs that died: how often they are resumed, and what a person finds of them. Knows no step.

Automations (`infra/automations.py`) find runs without a heartbeat and put crashed ones back into the queue; a resumed
run takes over all that was summarised.
"""

from __future__ import annotations

from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId, LogFilterLevel
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.sorting import LogSort
from prefect.flows import Flow
from prefect.logging import get_logger
from prefect.runtime import flow_run

from configs.errors import CrashedTooOften
from tasks.runs.report import code, safe
from tasks.runs.task import flow_run_page, mission_slug

RESUMING = "Resuming"
"""Name of the state in which an automation puts a crashed run back into the queue."""

MOST_RESUMED = 3
"""How often in a row: what crashes a fourth time crashes on its input or its machine, and a person has to look."""

_WARNING = 30
_LOG_LINES = 20


def stop_if_crashing() -> None:
    """End a run that was resumed and crashed again and again. Raises CrashedTooOften.

    A person's own retry begins the count anew.
    """
    if flow_run.id is None or flow_run.run_count < 2:
        return
    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(flow_run.id)
    resumed = times_resumed(states)
    if resumed > MOST_RESUMED:
        raise CrashedTooOften(
            f"run {flow_run.name} crashed and was resumed {MOST_RESUMED} times in a row: look at its logs and at the "
            "memory of its machine, then use Retry; what was summarised is kept"
        )


def times_resumed(states: list[State[Any]]) -> int:
    """How often a run was resumed by automation since a person, or a schedule, last put it into the queue."""
    times = 0
    for state in sorted(states, key=lambda one: one.timestamp, reverse=True):
        if state.is_scheduled() and state.name == RESUMING:
            times += 1
        elif state.is_scheduled() and state.name != "Late":
            break
    return times


def leave_trace(flow: Flow[..., Any], run: FlowRun, state: State[Any]) -> None:
    """Hook of failed and crashed runs: a page that says why, what was logged last, and how to go on."""
    try:
        with get_client(sync_client=True) as client:
            page = trace_markdown(run, state, _last_warnings(client, run))
            key = f"{flow.name}-{mission_slug(str(run.parameters.get('mission')))}-trouble"
            title = f"{safe(run.name)}: {safe(str(state.name))}"
            artifact = ArtifactCreate(key=key, type="markdown", data=page, description=title, flow_run_id=run.id)
            client.create_artifact(artifact)
    except httpx.HTTPError as error:
        get_logger("fieldcheck").warning("no page was left of run %s: %s", run.name, type(error).__name__)


def trace_markdown(run: FlowRun, state: State[Any], lines: list[str]) -> str:
    """The page of a run that ended badly. Names and messages may come from the field and are no markup."""
    mission = run.parameters.get("mission")
    told = [f"# {safe(run.name)}: {safe(str(state.name))}", "", safe(state.message or "no message"), ""]
    told += [f"- [the run and its logs]({flow_run_page(run.id)})"]
    if mission:
        slug = mission_slug(str(mission))
        runs = code(f"stage_a/{mission}/runs/")
        told += [f"- quarantine: artifact `stage-a-{slug}-quarantine`, and {runs} in the store"]
    told += ["- to go on: Retry in the UI; what was summarised is not done again", "", "## Last warnings", ""]
    told += [f"- {line}" for line in lines] or ["None was logged."]
    return "\n".join(told) + "\n"


def _last_warnings(client: SyncPrefectClient, run: FlowRun) -> list[str]:
    warnings = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]), level=LogFilterLevel(ge_=_WARNING))
    logs = client.read_logs(warnings, limit=_LOG_LINES, sort=LogSort.TIMESTAMP_DESC)
    return [f"{log.timestamp:%Y-%m-%d %H:%M:%S} {safe(log.message[:500])}" for log in reversed(logs)]
