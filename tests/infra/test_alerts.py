"""People are told, by a robot that listens, of late, failed and crashing runs and of much quarantine. Slow."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.demo import Demo
from tests.robot import Robot, listening
from tests.site import TestSite, demo_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MISSION = "挡风板安装检查"


@pytest.fixture(scope="module")
def robot() -> Iterator[Robot]:
    """A robot that listens."""
    with listening() as robot:
        yield robot


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(
    request: pytest.FixtureRequest, demo: Demo, robot: Robot, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestSite]:
    """A deployed site that has people told; nobody takes its runs."""
    robot.told.clear()
    with demo_site(request.param, tmp_path_factory.mktemp(request.param), demo) as site:
        assert "custom-webhook/fieldcheck-alerts" in site.deploy(FIELDCHECK_ALERT_URL=robot.url)
        yield site


def test_people_are_told_of_late_failed_and_crashing_runs_and_of_much_quarantine(
    site: TestSite, robot: Robot, demo: Demo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.hasten("fieldcheck: tell of late runs", 10)
    groups = [f"审核通过/QC-2026030{n}-000{n}" for n in (3, 4)] + ["审核不通过/QC-20260306-0006"]
    for group in groups:
        shutil.copytree(Path(demo.photos) / MISSION / group, tmp_path / MISSION / group)
    next((tmp_path / MISSION / groups[0]).glob("*.jpg")).write_bytes(b"no photo")
    began = time.monotonic()
    run = site.start_run("stage-a/air-baffle", input_root=str(tmp_path))
    robot.wait_for("Late:", MISSION, f"/runs/flow-run/{run}")
    seconds = [time.monotonic() - began]

    began = time.monotonic()
    site.worker()
    message = robot.wait_for("Much quarantine:", MISSION, f"/runs/flow-run/{run}")
    assert "1 of 3 groups" in message
    assert "manifest.json" in message
    seconds.append(time.monotonic() - began)
    name = site.wait_for(run, "Completed")["name"]
    assert name in message

    began = time.monotonic()
    with_no_store = site.start_run("stage-a/air-baffle", store="/proc/nowhere")
    message = robot.wait_for("Failed:", MISSION, f"/runs/flow-run/{with_no_store}")
    seconds.append(time.monotonic() - began)
    failed = site.run_of(with_no_store)
    assert failed["name"] in message
    assert "/proc/nowhere" in message

    began = time.monotonic()
    site.hasten("fieldcheck: runs that stay crashed are resumed", 10)
    site.workers.pop().stop()
    site.worker(FIELDCHECK_HOME="/nowhere")
    crashing = site.start_run("stage-a/air-baffle")
    robot.wait_for("Crashes again and again:", MISSION, f"/runs/flow-run/{crashing}", seconds=240)
    seconds.append(time.monotonic() - began)

    with capsys.disabled():
        waited = ", ".join(f"{one:.0f} s" for one in seconds)
        sys.stderr.write(
            f"\nlate, quarantined, failed, crashing: told after {waited}\n" + "\n\n".join(robot.told) + "\n"
        )
    assert len(robot.told) == 4, robot.told


RUNS = 12


@contextmanager
def writing(database: Path) -> Iterator[None]:
    """Others that write to the server's SQLite all the time, as a busy server does to itself: it is often locked."""
    stop = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS others (one INTEGER)")
            while not stop.wait(0.01):
                with suppress(sqlite3.OperationalError):
                    connection.execute("INSERT INTO others VALUES (1)")

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def test_a_failed_run_is_told_once_while_the_database_is_locked(robot: Robot, demo: Demo, tmp_path: Path) -> None:
    robot.told.clear()
    with demo_site("sqlite", tmp_path, demo) as site:
        site.deploy(FIELDCHECK_ALERT_URL=robot.url)
        where = f"/deployments/{site.ask('GET', '/deployments/name/stage-a/air-baffle')['id']}/create_flow_run"
        told = {"parameters": {"mission": MISSION}}
        runs = [site.ask("POST", where, {"name": f"run-{number}", **told})["id"] for number in range(RUNS)]
        for run in runs:
            set_state(site, run, "RUNNING")
        with writing(tmp_path / "prefect/prefect.db"):
            for run in runs:
                set_state(site, run, "FAILED")
            until_quiet(robot)
        log = site.servers[0].log.read_text(encoding="utf-8", errors="replace")
    assert "database is locked" in log
    names = [message.partition(" of ")[0].removeprefix("Failed: ") for message in robot.told]
    assert len(names) == len(set(names)) > 0, names


def set_state(site: TestSite, run: str, state: str) -> None:
    """Set it, and again while the database is locked."""
    body = {"state": {"type": state, "name": state.title()}, "force": True}
    for _ in range(60):
        if site.api.post(f"/flow_runs/{run}/set_state", json=body).is_success:
            return
        time.sleep(0.5)
    pytest.fail(f"run {run} is not {state}")


def until_quiet(robot: Robot) -> None:
    """Wait until nobody was told anything for a while."""
    seen, since = -1, time.monotonic()
    while time.monotonic() < since + 15 or not robot.told:
        if len(robot.told) != seen:
            seen, since = len(robot.told), time.monotonic()
        time.sleep(0.5)
