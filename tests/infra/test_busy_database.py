"""A server whose SQLite others write to all the time: no event is lost. Slow."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.demo import Demo
from tests.robot import Robot, listening
from tests.site import TestSite, demo_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MISSION = "挡风板安装检查"
RUNS = 12


@pytest.fixture(scope="module")
def robot() -> Iterator[Robot]:
    """A robot that listens."""
    with listening() as robot:
        yield robot


@pytest.fixture(scope="module")
def site(demo: Demo, robot: Robot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestSite]:
    """A deployed site that has people told; nobody takes its runs."""
    with demo_site("sqlite", tmp_path_factory.mktemp("busy"), demo) as site:
        site.deploy(FIELDCHECK_ALERT_URL=robot.url)
        site.hasten("fieldcheck: runs that stay crashed are resumed", 10)
        yield site


@contextmanager
def others_write(site: TestSite) -> Iterator[None]:
    """Two who write to the server's database all the time, as a busy server does to itself."""
    stop = threading.Event()
    written: list[int] = [0]

    def write() -> None:
        with closing(sqlite3.connect(site.folder / "prefect/prefect.db", timeout=30, isolation_level=None)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS others (one INTEGER)")
            while not stop.wait(0.01):
                with suppress(sqlite3.OperationalError):
                    database.execute("INSERT INTO others VALUES (1)")
                    written[0] += 1

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert written[0] > RUNS


def test_each_failed_run_is_told_once(site: TestSite, robot: Robot) -> None:
    robot.told.clear()
    runs = [create_run(site, f"failing-{number}") for number in range(RUNS)]
    with others_write(site):
        for run in runs:
            set_state(site, run, "RUNNING")
            set_state(site, run, "FAILED")
        until(lambda: len(robot.told) >= RUNS)
        time.sleep(10)  # for what would be told twice
    names = [message.partition(" of ")[0].removeprefix("Failed: ") for message in robot.told]
    assert sorted(names) == sorted(f"failing-{number}" for number in range(RUNS))
    assert not_evaluated(site) == []


def test_each_run_that_crashes_is_resumed_each_time(site: TestSite) -> None:
    """At once after its first crash, after a while after its second. Prefect may do it twice in a row: it publishes an
    action before it forgets why, and hears of the resumption in between."""
    runs = [create_run(site, f"crashing-{number}") for number in range(RUNS)]
    with others_write(site):
        for _ in range(2):
            for run in runs:
                set_state(site, run, "PENDING")
                set_state(site, run, "CRASHED")
            until(lambda: states_of(site, runs) == {"Resuming"})
            assert states_of(site, runs) == {"Resuming"}
    assert not_evaluated(site) == []


def create_run(site: TestSite, name: str) -> str:
    """A scheduled run of a mission's deployment; its id."""
    deployment = site.ask("GET", "/deployments/name/stage-a/air-baffle")
    body = {"name": name, "parameters": {"mission": MISSION}}
    return str(site.ask("POST", f"/deployments/{deployment['id']}/create_flow_run", body)["id"])


def set_state(site: TestSite, run: str, state: str) -> None:
    """Set it, and again while the server answers that its database is locked."""
    site.ask("POST", f"/flow_runs/{run}/set_state", {"state": {"type": state, "name": state.title()}, "force": True})


def states_of(site: TestSite, runs: list[str]) -> set[str]:
    """The names of the states that these runs are in."""
    return {site.run_of(run)["state_name"] for run in runs}


def not_evaluated(site: TestSite) -> list[Path]:
    """Events that Prefect put away after it had failed to evaluate them four times."""
    return list((site.folder / "prefect/dlq").glob("*"))


def until(is_so: Callable[[], bool], seconds: float = 90.0) -> None:
    """Wait for it, but not for ever: what is so then is for the test to say."""
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(1)
