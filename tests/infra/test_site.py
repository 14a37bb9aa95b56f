"""A whole site, operated: deployments run by hand and by cron, slots, deaths of workers and servers. Slow."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from configs.missions import known_missions
from infra.deployments import GRACE_SECONDS
from infra.sites import slots
from tasks.runs.check import check_run
from tasks.runs.keys import split_manifest_uri
from tests.demo import Demo
from tests.site import TestSite, demo_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MISSION, OTHER = "挡风板安装检查", "BBU接地线检查"
SLOT, *_ = slots("local", 1)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestSite]:
    """A deployed site whose runs read the demo's photos and write to a store of its own."""
    with demo_site(request.param, tmp_path_factory.mktemp(request.param), demo) as site:
        site.deploy()
        yield site


@pytest.fixture(autouse=True)
def a_worker(site: TestSite) -> Iterator[None]:
    """One worker for each test, and nothing left of the mission's results."""
    shutil.rmtree(site.folder / "store", ignore_errors=True)
    site.worker()
    yield
    while site.workers:
        site.workers.pop().stop()


def pointer(site: TestSite, mission: str) -> dict[str, Any]:
    """What the mission's latest.json says, once the run it points to was read again, every digest of it."""
    store = LocalStore(str(site.folder / "store"))
    latest = json.loads(store.read(f"stage_a/{mission}/latest.json"))
    _, key = split_manifest_uri(latest["manifest"])
    checked = check_run(store, key, latest["sha256"])
    assert checked.manifest.mission == mission
    return latest


def shards(site: TestSite, mission: str) -> int:
    """How many shards are written."""
    return len(list((site.folder / "store/stage_a" / mission / "shards").glob("*.jsonl")))


def until_shards(site: TestSite, mission: str, number: int) -> None:
    """Wait until so many shards are there."""
    until = time.monotonic() + 120
    while shards(site, mission) < number:
        assert time.monotonic() < until
        time.sleep(0.05)


def held(site: TestSite, run: str) -> tuple[datetime, datetime]:
    """When a run held its slot, as it logged it."""
    told = {line.split(" ", 1)[1]: line.split(" ", 1)[0] for line in site.logs(run)}
    times = [told[f"took a slot of {SLOT}"], told[f"give the slot of {SLOT} back"]]
    return datetime.fromisoformat(times[0]), datetime.fromisoformat(times[1])


def test_a_run_asked_for_by_hand_is_published_and_judged(site: TestSite, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    hand_off = {"mode": "deployment", "judge": True}
    run = site.start_run("stage-a/local", mission=MISSION, verify_inputs=True, hand_off=hand_off)
    done = site.wait_for(run, "Completed")
    seconds = time.monotonic() - began
    pointer(site, MISSION)
    assert re.fullmatch(rf"{MISSION} \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d", done["name"])

    link = site.artifacts(run)["stage-a-air-baffle-hand-off"]
    stage_b = re.search(r"/runs/flow-run/([0-9a-f-]{36})", link["data"])
    assert stage_b is not None
    judged = site.wait_for(stage_b[1], "Completed")
    assert judged["parameters"]["handed_by"] == run
    assert judged["deployment_id"] == site.ask("GET", "/deployments/name/stage-b/air-baffle")["id"]
    assert f"took a slot of {SLOT}" in " ".join(site.logs(stage_b[1]))
    assert "## 没有判定的组" in site.artifacts(stage_b[1])["stage-b-air-baffle"]["data"]
    assert run in site.artifacts(stage_b[1])["stage-b-tickets"]["data"]
    assert "data:image/png;base64," in site.artifacts(run)["stage-a-air-baffle-runs"]["data"]
    with capsys.disabled():
        engine = sum(
            float(told)
            for line in site.logs(run)
            for pair in re.findall(r"photos in ([0-9.]+) s .* engine ready after ([0-9.]+) s", line)
            for told in pair
        )
        whole = done["total_run_time"]
        sys.stderr.write(f"\nad hoc: {seconds:.1f} s until Completed, run {whole:.1f} s, of it engine {engine:.1f} s\n")
    events = site.ask("POST", "/events/filter", {"filter": {"event": {"name": ["fieldcheck.stage-a.published"]}}})
    assert any(one["payload"]["photos"] == 60 for one in events["events"])


def test_parameters_are_checked_before_anything_runs(site: TestSite) -> None:
    with pytest.raises(AssertionError, match=r"不存在"):
        site.prefect("deployment", "run", "stage-a/local", "-p", "mission=不存在")


def test_two_runs_of_a_mission_come_one_after_the_other(site: TestSite) -> None:
    first = site.start_run("stage-a/air-baffle")
    site.wait_for(first, "Running")
    second = site.start_run("stage-a/air-baffle")
    site.wait_for(first, "Completed")
    site.wait_for(second, "Completed")
    began = [min(t for t, name in site.states(run) if name == "Running") for run in (first, second)]
    ended = max(t for t, name in site.states(first) if name == "Completed")
    assert began[1] > ended
    assert any(name == "AwaitingConcurrencySlot" for _, name in site.states(second))


def test_two_missions_are_never_both_in_the_slot(site: TestSite) -> None:
    runs = [site.start_run("stage-a/air-baffle"), site.start_run("stage-a/bbu-grounding")]
    for run in runs:
        site.wait_for(run, "Completed")
    (one_in, one_out), (other_in, other_out) = (held(site, run) for run in runs)
    assert one_out < other_in or other_out < one_in


def test_a_schedule_fires_by_itself(site: TestSite) -> None:
    deployment = site.ask("GET", "/deployments/name/stage-a/air-baffle")
    every_minute = {"schedule": {"cron": "* * * * *", "timezone": "Asia/Shanghai"}, "active": True, "slug": "minutely"}
    (made,) = site.ask("POST", f"/deployments/{deployment['id']}/schedules", [every_minute])
    query = {
        "deployments": {"id": {"any_": [deployment["id"]]}},
        "flow_runs": {"state": {"name": {"any_": ["Completed"]}}},
    }
    try:
        until = time.monotonic() + 240
        while not (scheduled := [r for r in site.ask("POST", "/flow_runs/filter", query) if r["auto_scheduled"]]):
            assert time.monotonic() < until
            time.sleep(1)
    finally:
        site.ask("DELETE", f"/deployments/{deployment['id']}/schedules/{made['id']}")
    assert scheduled[0]["parameters"]["mission"] == MISSION
    pointer(site, MISSION)


def test_a_killed_worker_is_healed(site: TestSite, capsys: pytest.CaptureFixture[str]) -> None:
    """The worker and all below it die; somebody (systemd, compose, Kubernetes) starts a worker again, no more.

    A mission's deployment lets one run in at a time: the dead one must not keep its own resumption out.
    """
    run = site.start_run("stage-a/air-baffle", shard_photos=16, engine={"batch_size": 4})
    until_shards(site, MISSION, 1)
    killed = time.monotonic()
    site.workers[0].kill()
    kept = shards(site, MISSION)
    site.worker()
    site.wait_for(run, "Crashed", "Resuming", seconds=240)
    found = time.monotonic() - killed
    site.wait_for(run, "Completed", seconds=300)
    with capsys.disabled():
        sys.stderr.write(
            f"\nworker killed: found after {found:.0f} s, published after {time.monotonic() - killed:.0f} s, "
            f"{site.states(run)}\n"
        )
    pointer(site, MISSION)
    assert kept >= 1
    names = [name for _, name in site.states(run)]
    assert names.index("Crashed") < names.index("Resuming")
    assert "AwaitingConcurrencySlot" not in names
    limited = site.ask("GET", "/deployments/name/stage-a/air-baffle")["concurrency_options"]
    assert limited["grace_period_seconds"] == GRACE_SECONDS


def test_a_worker_killed_before_its_run_began_is_healed(site: TestSite) -> None:
    site.hasten("fieldcheck: runs that do not begin are resumed", 30)
    try:
        run = site.start_run("stage-a/air-baffle")
        site.wait_for(run, "Pending", "Submitting")
        site.workers[0].kill()
        assert site.run_of(run)["state_type"] == "PENDING"
        site.worker()
        site.wait_for(run, "Completed")
    finally:
        site.hasten("fieldcheck: runs that do not begin are resumed", 600)
    assert [name for _, name in site.states(run)].count("Resuming") == 1
    pointer(site, MISSION)


def test_a_run_that_cannot_begin_does_so_once_its_machine_is_mended(site: TestSite) -> None:
    """It is resumed at once the first time, and then now and then: not every few seconds for ever."""
    site.hasten("fieldcheck: runs that stay crashed are resumed", 20)
    site.workers.pop().stop()
    broken = site.worker(FIELDCHECK_HOME="/nowhere")
    run = site.start_run("stage-a/air-baffle")
    site.wait_for(run, "Crashed", "Resuming")
    time.sleep(20)
    told = site.states(run)
    crashed = min(t for t, name in told if name == "Crashed")
    assert [name for t, name in told if t < crashed + 15].count("Resuming") == 1
    broken.stop()
    site.worker()
    site.wait_for(run, "Completed")
    pointer(site, MISSION)


def test_a_killed_server_is_survived(site: TestSite, capsys: pytest.CaptureFixture[str]) -> None:
    run = site.start_run("stage-a/local", mission=MISSION, shard_photos=16, engine={"batch_size": 4})
    until_shards(site, MISSION, 1)
    killed = time.monotonic()
    for server in site.servers:
        server.kill()
    time.sleep(10)
    for server in site.servers:
        server.start()
    site.wait_for(run, "Completed", seconds=400)
    with capsys.disabled():
        sys.stderr.write(
            f"\nserver killed for 10 s: published after {time.monotonic() - killed:.0f} s, {site.states(run)}"
        )
    pointer(site, MISSION)


def test_seven_missions_at_once(site: TestSite, demo: Demo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for mission in known_missions():
        for group in ("审核通过/QC-20260305-0005", "审核不通过/QC-20260305-0005"):
            shutil.copytree(Path(demo.photos) / MISSION / group, tmp_path / mission / group)
    began = time.monotonic()
    runs = {
        name: site.start_run(f"stage-a/{mission.slug}", input_root=str(tmp_path))
        for name, mission in known_missions().items()
    }
    for run in runs.values():
        site.wait_for(run, "Completed", seconds=600)
    with capsys.disabled():
        sys.stderr.write(f"\nseven missions: {time.monotonic() - began:.0f} s")
    for mission in runs:
        pointer(site, mission)
    times = sorted(held(site, run) for run in runs.values())
    assert all(before[1] < after[0] for before, after in pairwise(times))
