"""People are told, by a robot that listens, of late, failed and crashing runs and of much quarantine. Slow."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
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
