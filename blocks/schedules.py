"""Whether Prefect can run a mission's cron line: asked of what its scheduler asks itself."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from prefect._vendor.croniter.croniter import croniter
from prefect.client.schemas.schedules import CronSchedule
from pydantic import ValidationError

from configs.errors import ConfigError, Fault
from configs.missions import MISSIONS_DIR, Mission, Schedule

_times: Any = croniter  # it has no types


def check_schedules(missions: dict[str, Mission], folder: Path = MISSIONS_DIR) -> None:
    """Raises ConfigError with the file of every mission whose cron line Prefect refuses, or which never comes."""
    faults = []
    for mission in missions.values():
        if mission.schedule is not None and (what := schedule_fault(mission.schedule)):
            cure = "write a time that comes, such as 30 2 * * *"
            faults.append(Fault(f"{folder / mission.slug}.yaml: schedule", what, cure))
    if faults:
        raise ConfigError(faults)


def schedule_fault(schedule: Schedule) -> str | None:
    """What is wrong with a schedule; None when Prefect takes it and finds a next time.

    Prefect accepts `0 0 31 2 *`, and its scheduler then fails at every turn without a word in the UI.
    """
    try:
        taken = CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
    except ValidationError as error:
        (first, *_) = error.errors()
        return f"Prefect refuses {schedule.cron!r}, {schedule.timezone}: {first['msg'].removeprefix('Value error, ')}"
    try:
        _times(taken.cron, datetime.now(ZoneInfo(schedule.timezone)), day_or=taken.day_or).get_next(datetime)
    except ValueError as error:  # croniter's own errors are ValueErrors
        return f"the time {schedule.cron!r} never comes: {error}"
    return None
