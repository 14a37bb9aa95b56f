"""What the Prefect server does by itself: finds dead runs, resumes them, tells people. Knows no step.

Event names are Prefect's: `prefect.flow-run.<name of the state>`. A deployed run sends a heartbeat every 30 s.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture

from flows.crash_recovery import RESUMING
from infra.deployments import HEARTBEAT_SECONDS
from tasks.reports.task import MUCH_QUARANTINED

Match = dict[str, str | list[str]]

DEAD_AFTER = timedelta(seconds=3 * HEARTBEAT_SECONDS)
NOT_BEGUN_AFTER = timedelta(minutes=10)
"""Longer than it takes to fetch an image and to import the flow."""
REMEMBERED = timedelta(days=7)
"""How long after it was scheduled, or began, a run that crashes is resumed at once."""
STILL_CRASHED_AFTER = timedelta(minutes=5)
OFTEN, OFTEN_IN = 4, timedelta(hours=1)
"""Crashes of one run that people are told of; Prefect may report each twice, and count it again when its database
failed: they may be told after the first, but once an hour at most."""
TOLD_ONCE_IN = timedelta(minutes=1)
"""How long people are not told again of the same run.

Prefect looks at an event for one automation after the other. When the database fails at one of them it begins anew, up
to four times, and each time an automation without such a time fires again. With one, its next time begins after the
event, which is then too old for it. Two reports of the same failure, seconds apart, are one message too.
"""
LATE_FOR = timedelta(minutes=30)

_RUN = "prefect.flow-run"
_HEARTBEAT = f"{_RUN}.heartbeat"
_ENDED = {f"{_RUN}.{name}" for name in ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")}
_NOT_AT_WORK = {f"{_RUN}.{name}" for name in ("Paused", "Suspended", "AwaitingRetry", "Scheduled", RESUMING)}
_TAKEN = {f"{_RUN}.{name}" for name in ("Pending", "Running", "AwaitingConcurrencySlot")}

# A run that a person starts from a terminal has no deployment: it cannot be put back into a queue.
_DEPLOYED: Match = {"prefect.resource.id": "prefect.deployment.*", "prefect.resource.role": "deployment"}
_EVERY_RUN: Match = {"prefect.resource.id": f"{_RUN}.*"}


def automations(alert_block: UUID | None) -> list[Automation]:
    """All automations; those that tell people only if there is a notification block to do it with."""
    return [*_crash_recovery(), *(_telling(alert_block) if alert_block else [])]


def _crash_recovery() -> list[Automation]:
    dead = Automation(
        name="fieldcheck: dead runs crash",
        description=f"A deployed run without a heartbeat for {DEAD_AFTER.seconds} s: its machine or worker is gone.",
        trigger=_missing(
            after={_HEARTBEAT, f"{_RUN}.Running"}, expected={_HEARTBEAT, *_ENDED, *_NOT_AT_WORK}, within=DEAD_AFTER
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"no heartbeat for {DEAD_AFTER.seconds} s")],
    )
    # No heartbeat comes of a run whose worker died between taking it and its beginning.
    not_begun = Automation(
        name="fieldcheck: runs that do not begin are resumed",
        description=f"A deployed run that was taken and did not begin for {NOT_BEGUN_AFTER.seconds // 60} minutes.",
        trigger=_missing(after={f"{_RUN}.Pending"}, expected=_TAKEN | _ENDED | _NOT_AT_WORK, within=NOT_BEGUN_AFTER),
        actions=[ChangeFlowRunState(state=StateType.SCHEDULED, name=RESUMING, message="did not begin")],
    )
    # Once after each beginning: a run that cannot begin, as its checkout is broken, never comes to
    # `flows.crash_recovery.stop_if_crashing` and would go round every few seconds.
    resumed = Automation(
        name="fieldcheck: crashed runs are resumed",
        description="A deployed run that crashed goes back into the queue; what was summarised is not done again.",
        trigger=_on(
            {f"{_RUN}.Crashed"},
            _EVERY_RUN,
            _DEPLOYED,
            after={f"{_RUN}.{name}" for name in ("Scheduled", "AwaitingRetry", "Running")},
            within=REMEMBERED,
        ),
        actions=[ChangeFlowRunState(state=StateType.SCHEDULED, name=RESUMING, message="resumed after a crash")],
    )
    still = Automation(
        name="fieldcheck: runs that stay crashed are resumed",
        description="A deployed run that crashed before it began: its machine may have been mended meanwhile.",
        trigger=_missing(
            after={f"{_RUN}.Crashed"}, expected=_TAKEN | _ENDED | _NOT_AT_WORK, within=STILL_CRASHED_AFTER
        ),
        actions=[ChangeFlowRunState(state=StateType.SCHEDULED, name=RESUMING, message="resumed after a crash")],
    )
    return [dead, not_begun, resumed, still]


def _telling(block: UUID) -> list[Automation]:
    run = "{{ flow_run.name }} of {{ deployment.name }}"
    page = "{{ flow_run|ui_url }}"
    # A run has the name of its mission once it began.
    waiting = "{{ flow_run.parameters.mission or flow_run.name }} of {{ deployment.name }}"
    failed = Automation(
        name="fieldcheck: tell of failed runs",
        trigger=_on({f"{_RUN}.{name}" for name in ("Failed", "TimedOut")}, _EVERY_RUN, _DEPLOYED, within=TOLD_ONCE_IN),
        actions=[_message(block, f"Failed: {run}", f"{{{{ flow_run.state.message }}}}\n{page}")],
    )
    often = Automation(
        name="fieldcheck: tell of runs that crash often",
        trigger=_on({f"{_RUN}.Crashed"}, _EVERY_RUN, _DEPLOYED, threshold=OFTEN, within=OFTEN_IN),
        actions=[_message(block, f"Crashes again and again: {waiting}", page)],
    )
    late = Automation(
        name="fieldcheck: tell of late runs",
        trigger=_missing(
            after={f"{_RUN}.Late"},
            # One that waits for another run of its mission was taken.
            expected=_TAKEN | _ENDED,
            within=LATE_FOR,
        ),
        actions=[
            _message(block, f"Late: {waiting}", f"No worker took it for {LATE_FOR.seconds // 60} minutes.\n{page}")
        ],
    )
    quarantined = Automation(
        name="fieldcheck: tell of much quarantine",
        trigger=_on(
            {MUCH_QUARANTINED},
            {"prefect.resource.id": "fieldcheck.mission.*"},
            # The event is a mission's: its next run is another matter.
            for_each={"prefect.resource.id", "related:flow-run:prefect.resource.id"},
            within=TOLD_ONCE_IN,
        ),
        actions=[
            _message(
                block,
                "Much quarantine: {{ event.resource.name }}",
                "{{ event.payload.groups_quarantined }} of {{ event.payload.groups }} groups in run "
                f"{{{{ event.payload.run }}}}\n{{{{ event.payload.manifest }}}}\n{page}",
            )
        ],
    )
    return [failed, often, late, quarantined]


def _on(
    expected: set[str],
    match: Match,
    related: Match | None = None,
    *,
    after: set[str] | None = None,
    threshold: int = 1,
    within: timedelta = timedelta(0),
    for_each: set[str] | None = None,
) -> EventTrigger:
    """Fires on each event; with `threshold` and `within` on so many in a window, and then not again in it; with
    `after` once for each preceding event. Counted apart for each resource, or for each value of `for_each`."""
    return EventTrigger(
        match=match,
        match_related=related or {},
        for_each=for_each or {"prefect.resource.id"},
        after=after or set(),
        expect=expected,
        posture=Posture.Reactive,
        threshold=threshold,
        within=within,
    )


def _missing(after: set[str], expected: set[str], within: timedelta) -> EventTrigger:
    """None of the expected events of a deployed run in the time after one of the others."""
    return EventTrigger(
        match=_EVERY_RUN,
        match_related=_DEPLOYED,
        for_each={"prefect.resource.id"},
        after=after,
        expect=expected,
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


def _message(block: UUID, subject: str, body: str) -> ActionTypes:
    return SendNotification(block_document_id=block, subject=subject, body=body)
