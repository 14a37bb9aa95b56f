"""`make deploy` into a real server with a password: what people changed stays, what the files changed comes."""

from __future__ import annotations

import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from configs.missions import Mission, load_missions
from infra import deploy as deploying
from infra.deployments import PREFECT_FILE
from tests.infra.conftest import Server
from tests.robot import listening
from tests.workers import REPOSITORY


def missions_with(monkeypatch: pytest.MonkeyPatch, slug: str, **schedule: str) -> None:
    """Have deploy read missions of which one has another schedule; none of it at all removes the mission's file."""
    changed: dict[str, Mission] = {}
    for name, mission in load_missions().items():
        if mission.slug != slug:
            changed[name] = mission
        elif schedule:
            assert mission.schedule is not None
            changed[name] = mission.model_copy(update={"schedule": mission.schedule.model_copy(update=schedule)})
    monkeypatch.setattr(deploying, "load_missions", lambda: changed)


def test_what_a_person_changed_stays_and_is_told(server: Server) -> None:
    server.change("stage-a/air-baffle", {"paused": True})
    server.reschedule("stage-a/rru-cable", {"active": False})
    cron = {"cron": "15 4 * * *", "timezone": "Asia/Shanghai", "day_or": True}
    server.reschedule("stage-a/bbu-cabling", {"schedule": cron})
    own = {"schedule": {"cron": "0 12 * * *", "timezone": "Asia/Shanghai"}, "active": True}
    server.site.ask("POST", f"/deployments/{server.deployment('stage-a/rru-mounting')['id']}/schedules", [own])
    server.change("stage-a/bbu-mounting", {"concurrency_limit": 2, "parameters": {"mission": "RRU线缆"}, "tags": ["x"]})
    server.site.ask("PATCH", "/work_pools/local/queues/engine", {"concurrency_limit": 7})
    server.site.ask("PATCH", "/v2/concurrency_limits/local-0", {"limit": 4})
    found = server.automation()
    told = {key: found[key] for key in ("name", "description", "trigger", "actions")}
    told["trigger"] = {**told["trigger"], "within": 600.0}
    server.site.ask("PUT", f"/automations/{found['id']}", {**told, "enabled": False})

    said = server.run()

    assert server.deployment("stage-a/air-baffle")["paused"]
    assert server.schedule("stage-a/rru-cable")["active"] is False
    assert server.schedule("stage-a/bbu-cabling")["schedule"]["cron"] == "15 4 * * *"
    crons = [one["schedule"]["cron"] for one in server.deployment("stage-a/rru-mounting")["schedules"]]
    assert sorted(crons) == ["0 12 * * *", "30 3 * * *"]
    mounting = server.deployment("stage-a/bbu-mounting")
    assert (mounting["global_concurrency_limit"]["limit"], mounting["tags"]) == (2, ["x"])
    assert mounting["parameters"] == {"mission": "RRU线缆"}
    assert server.site.ask("GET", "/work_pools/local/queues/engine")["concurrency_limit"] == 7
    assert server.site.ask("GET", "/v2/concurrency_limits/local-0")["limit"] == 4
    automation = server.automation()
    assert (automation["enabled"], automation["trigger"]["within"]) == (False, 600.0)

    for what in ("paused: True", "active: False", "cron: 15 4", "concurrency_limit: 2", "limit: 4", "enabled: False"):
        assert f"{what}" in said, said
    assert "KEPT schedules.bbu-cabling.cron: 15 4 * * *, changed by hand; the files say 30 1 * * *" in said
    assert "nights       ON for 5 of 7 missions" in said
    assert "off: air-baffle (the deployment is paused)" in said
    assert "off: rru-cable (its schedule is paused)" in said

    said = server.run("--reset")
    assert "KEPT" not in said
    assert "nights       ON for 7 of 7 missions" in said
    assert not server.deployment("stage-a/air-baffle")["paused"]
    assert server.schedule("stage-a/bbu-cabling")["schedule"]["cron"] == "30 1 * * *"
    assert server.automation()["enabled"]


def test_what_the_files_changed_comes_and_the_rest_stays(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.change("stage-a/air-baffle", {"paused": True})
    server.reschedule("stage-a/rru-cable", {"active": False})
    server.reschedule("stage-a/rru-position", {"schedule": {"cron": "9 9 * * *", "timezone": "Asia/Shanghai"}})
    missions_with(monkeypatch, "rru-cable", cron="45 5 * * *")
    said = server.run()
    assert "schedules.rru-cable.cron: 0 3 * * * -> 45 5 * * *" in said
    found = server.schedule("stage-a/rru-cable")
    assert (found["schedule"]["cron"], found["active"]) == ("45 5 * * *", False)
    missions_with(monkeypatch, "rru-position", cron="8 8 * * *")
    said = server.run()
    assert "9 9 * * * -> 8 8 * * * (both files and people changed it)" in said
    assert server.schedule("stage-a/rru-position")["schedule"]["cron"] == "8 8 * * *"
    assert server.deployment("stage-a/air-baffle")["paused"]


def test_a_deploy_that_is_told_nothing_is_as_the_last_one(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDCHECK_IMAGE", "registry/fieldcheck:7")
    monkeypatch.setenv("FIELDCHECK_HAND_OFF__MODEL__BASE", "/models/judge")
    said = server.run("--site", "gpu", "--gpus", "2")
    assert "the missions run here from now on, and not at local" in said
    assert "fieldcheck-model-checkpoint/gpu-judge" in said
    for name in ("FIELDCHECK_IMAGE", "FIELDCHECK_HAND_OFF__MODEL__BASE"):
        monkeypatch.delenv(name)
    server.run("--nights", "off")
    before = server.deployment("stage-a/air-baffle")
    assert "nights       OFF" in server.run()
    after = server.deployment("stage-a/air-baffle")
    assert after["updated"] == before["updated"], "nothing changed: the runs that are scheduled stay"
    assert after["work_pool_name"] == "gpu"
    assert after["parameters"]["devices"] == ["cuda:0", "cuda:1"]
    assert after["job_variables"]["image"] == "registry/fieldcheck:7"
    for path in ("stage-b/air-baffle", "stage-b/stage-b"):
        assert server.deployment(path)["parameters"]["checkpoint_block"] == "gpu-judge"
    assert server.schedule("stage-a/air-baffle")["active"] is False
    assert "nights       ON for 7 of 7" in server.run("--site", "local")


def test_a_mission_without_a_file_is_paused_and_comes_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        missions_with(patch, "rru-cable")
        said = server.run()
        for path in ("stage-a/rru-cable", "stage-b/rru-cable"):
            assert f"prefect deployment delete {path}" in said
            assert server.deployment(path)["paused"]
    server.run()
    for path in ("stage-a/rru-cable", "stage-b/rru-cable"):
        assert not server.deployment(path)["paused"]


def test_a_mission_has_a_deployment_of_stage_b_that_waits_for_its_device(server: Server) -> None:
    made = server.deployment("stage-b/air-baffle")
    assert made["parameters"] == {
        "manifest": "block://local/stage_a/挡风板安装检查/latest.json",
        "profile": "demo",
        "checkpoint_block": "local-judge",  # as the profile has it
        "slots": ["local-0"],
    }
    assert (made["work_pool_name"], made["work_queue_name"], made["schedules"]) == ("local", "engine", [])
    assert made["global_concurrency_limit"]["limit"] == 1
    block = server.site.ask("GET", "/block_types/slug/fieldcheck-model-checkpoint/block_documents/name/local-judge")
    assert block["data"]["checkpoint"] == str(REPOSITORY / ".demo/judge")


def test_what_was_deleted_is_told_and_runs_by_itself_no_more(server: Server) -> None:
    server.site.ask("DELETE", f"/deployments/{server.deployment('stage-a/rru-cable')['id']}")
    server.site.ask("DELETE", f"/automations/{server.automation()['id']}")
    schedule = server.schedule("stage-a/air-baffle")["id"]
    server.site.ask("DELETE", f"/deployments/{server.deployment('stage-a/air-baffle')['id']}/schedules/{schedule}")
    said = server.run()
    assert "deleted by hand, and is made again" in said
    assert "deleted by hand and stays so" in said
    assert "off: rru-cable (its schedule was deleted)" in said
    assert "off: air-baffle (its schedule was deleted)" in said
    assert server.deployment("stage-a/rru-cable")["schedules"] == []
    assert "ON for 7 of 7" in server.run("--reset")
    assert server.automation()["enabled"]


def test_a_server_of_a_release_without_memory_keeps_its_pauses(server: Server) -> None:
    document = server.site.ask("GET", "/block_types/slug/fieldcheck-deployed/block_documents/name/fieldcheck")
    server.site.ask("DELETE", f"/block_documents/{document['id']}")
    server.change("stage-a/air-baffle", {"paused": True, "description": "of an older release"})
    server.reschedule("stage-a/rru-cable", {"active": False})
    said = server.run("--nights", "on")
    assert server.deployment("stage-a/air-baffle")["paused"]
    assert server.deployment("stage-a/air-baffle")["description"].startswith("挡风板")
    assert server.schedule("stage-a/rru-cable")["active"] is False
    assert "ON for 5 of 7" in said


def test_faults_are_found_before_anything_is_changed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def state() -> Any:
        found = server.site.ask("POST", "/deployments/filter", {})
        return sorted((one["name"], one["updated"], str(one["schedules"])) for one in found)

    before = state()
    for cron in ("0 0 31 2 *", "61 * * * *"):
        missions_with(monkeypatch, "rru-cable", cron=cron)
        said = server.run(code=2)
        assert "rru-cable.yaml: schedule" in said
        assert cron in said
    monkeypatch.setattr(deploying, "load_missions", load_missions)
    server.change("stage-a/bbu-mounting", {"parameters": {"shard_photos": 10}, "enforce_parameter_schema": False})
    server.change("stage-a/bbu-mounting", {"parameters": {"shard_photos": 0}})
    before = state()
    missions_with(monkeypatch, "rru-cable", cron="45 5 * * *")
    said = server.run(code=2)
    assert "stage-a/bbu-mounting: its parameters" in said
    assert "--reset" in said
    assert state() == before


def test_no_tracked_file_is_changed_by_any_site(server: Server) -> None:
    def git() -> str:
        command = ["git", "status", "--porcelain", "--ignored=matching", "--", "infra", "configs"]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout

    before, written = git(), PREFECT_FILE.stat().st_mtime_ns
    for words in (["--site", "gpu", "--gpus", "2"], ["--site", "gpu", "--gpus", "1"], ["--site", "local"]):
        server.run(*words)
    assert git() == before
    assert PREFECT_FILE.stat().st_mtime_ns == written
    assert not list(Path(PREFECT_FILE.parent).glob(".prefect-*"))


def test_a_failure_that_is_reported_again_is_told_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect hands an event out again when its database was locked; here it comes again under another id."""

    def fail(name: str) -> str:
        where = f"/deployments/{server.deployment('stage-a/air-baffle')['id']}/create_flow_run"
        run = server.site.ask("POST", where, {"name": name, "parameters": {"mission": "挡风板安装检查"}})["id"]
        for state in ("RUNNING", "FAILED"):
            body = {"state": {"type": state, "name": state.title()}, "force": True}
            server.site.ask("POST", f"/flow_runs/{run}/set_state", body)
        return str(run)

    with listening() as robot:
        monkeypatch.setenv("FIELDCHECK_ALERT_URL", robot.url)
        server.run()
        run = fail("first")
        robot.wait_for("Failed: first")
        query = {
            "filter": {"event": {"name": ["prefect.flow-run.Failed"]}, "resource": {"id": [f"prefect.flow-run.{run}"]}}
        }
        until = time.monotonic() + 60
        while not (found := server.site.ask("POST", "/events/filter", query)["events"]):
            assert time.monotonic() < until, "the server does not keep its event"
            time.sleep(0.5)
        (event,) = found
        for _ in range(3):
            server.site.ask("POST", "/events", [{**event, "id": str(uuid.uuid4()), "follows": None}])
        fail("second")
        robot.wait_for("Failed: second")
        fail("third")
        robot.wait_for("Failed: third")
        assert sorted(one.splitlines()[0] for one in robot.told) == [
            f"Failed: {name} of air-baffle" for name in ("first", "second", "third")
        ]
