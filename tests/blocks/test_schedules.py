"""Cron lines: what Prefect's scheduler cannot run is told with the file's name, and nothing else is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.server.schemas.schedules import CronSchedule
from pydantic import ValidationError

from blocks.schedules import check_schedules, schedule_fault
from configs.errors import ConfigError
from configs.missions import Schedule, known_missions, load_missions
from flows import cli
from flows.commands import checks

FIELD = st.sampled_from(["*", "0", "5", "30", "31", "61", "*/7", "1-5", "2", "2,4", "L", "mon", "0#6", "R", "9", "-1"])


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "0 0 30 2 1", "0 0 31 2,4 *", "61 * * * *", "0 24 * * *", "0 0 * * 9"])
def test_a_line_that_never_comes_is_a_fault(cron: str) -> None:
    assert schedule_fault(Schedule(cron=cron, timezone="Asia/Shanghai"))


@pytest.mark.parametrize(
    "cron", ["30 2 * * *", "0 0 29 2 *", "0 5 * * 1-5", "0 0 L * *", "0 2 * * MON#1", "*/5 * * * *"]
)
def test_a_line_that_comes_is_none(cron: str) -> None:
    assert schedule_fault(Schedule(cron=cron, timezone="Asia/Shanghai")) is None


def test_the_missions_that_ship_have_times_that_come() -> None:
    check_schedules(known_missions())


@settings(max_examples=60, deadline=None)
@given(st.tuples(FIELD, FIELD, FIELD, FIELD, FIELD).map(" ".join))
def test_it_says_what_the_scheduler_would_find(cron: str) -> None:
    try:
        schedule = Schedule(cron=cron, timezone="Asia/Shanghai")
    except ValidationError:
        return
    try:
        dates = asyncio.run(CronSchedule(cron=cron, timezone="Asia/Shanghai").get_dates(n=1, start=datetime.now(UTC)))
    except ValueError:
        dates = []
    assert (schedule_fault(schedule) is None) == bool(dates)


@pytest.mark.parametrize(
    "schedule",
    [
        "{cron: 0 0 31 2 *}",
        "{cron: 61 * * * *}",
        "{cron: 0 0 2 * * *}",
        "{cron: ''}",
        "{cron: 30 2 * * *, timezone: Asia/Peking}",
    ],
)
def test_missions_names_the_file_of_every_bad_schedule(
    schedule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for slug, told in (("one", schedule), ("two", "{cron: 30 2 * * *}")):
        text = f"name: {slug}\nslug: {slug}\nfocus: 螺丝\nrequires: [有螺丝]\nschedule: {told}\n"
        (tmp_path / f"{slug}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(checks, "known_missions", lambda: load_missions(tmp_path))
    assert cli.main(["missions"]) == 2
    told = capsys.readouterr().err
    assert "one.yaml" in told
    assert "two.yaml" not in told
    assert "Traceback" not in told


def test_every_bad_file_is_named_at_once(tmp_path: Path) -> None:
    for slug in ("one", "two"):
        text = f"name: {slug}\nslug: {slug}\nfocus: 螺丝\nrequires: [有螺丝]\nschedule: {{cron: 0 0 31 2 *}}\n"
        (tmp_path / f"{slug}.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="2 faults") as caught:
        check_schedules(load_missions(tmp_path), tmp_path)
    assert f"{tmp_path}/one.yaml: schedule" in str(caught.value)
