"""`infra/prefect.yaml`: written from missions and sites, and nothing in it that Prefect would pass over silently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.cli.deploy import _models
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.utilities.callables import parameter_schema
from prefect.utilities.importtools import import_object
from prefect.utilities.schema_tools.validation import validate
from pydantic import BaseModel

from blocks.model_checkpoint import ModelCheckpoint
from configs.missions import known_missions, load_missions
from configs.parts import HandOffConfig
from configs.stage_a import StageAConfig
from configs.stage_b import StageBConfig
from flows.hand_off import ANY_MISSION, stage_b_deployments
from infra import deploy
from infra.deployments import GRACE_SECONDS, PREFECT_FILE, as_text, path_of, prefect_file, select
from infra.site_blocks import site_blocks
from infra.sites import ENGINE_QUEUE, SITES, judge_block, slots
from tasks.runs.keys import split_latest_uri

FILE: dict[str, Any] = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))
BY_PATH = {path_of(one): one for one in FILE["deployments"]}
EVERY_DEPLOYMENT = pytest.mark.parametrize("path", list(BY_PATH))


def unknown(model: type[BaseModel], data: dict[str, Any]) -> set[str]:
    """Keys that Prefect's model of a part of the file does not know: it would ignore them."""
    return set(data) - set(model.model_fields)


def filled_in(value: Any, site: str) -> Any:
    """A value with what `make deploy` fills in."""
    told = {"SITE": site, "JUDGE": judge_block(site), "SITE_PROFILE": SITES[site].profile}
    told |= {"NIGHTS": "true", "VERSION": "v1", "IMAGE": "image:1"}
    text = yaml.safe_dump(value, allow_unicode=True)
    for name, word in told.items():
        text = text.replace(f"{{{{ $FIELDCHECK_{name} }}}}", word)
    return yaml.safe_load(text)


def test_the_file_is_what_missions_and_sites_say() -> None:
    assert PREFECT_FILE.read_text(encoding="utf-8") == as_text(load_missions()), "run python -m infra.deployments"


def test_prefect_knows_every_key() -> None:
    assert set(FILE) <= {*_models.PrefectYamlModel.model_fields, "prefect-version"}
    for one in FILE["deployments"]:
        assert not unknown(_models.DeploymentConfig, one)
        assert not unknown(_models.WorkPoolConfig, one["work_pool"])
        if isinstance(limit := one.get("concurrency_limit"), dict):
            assert not unknown(_models.ConcurrencyLimitSpec, limit)
        for schedule in one.get("schedules", []):
            assert not unknown(_models.RawScheduleConfig, schedule)
    _models.PrefectYamlModel.model_validate(FILE)


@EVERY_DEPLOYMENT
@pytest.mark.parametrize("site", list(SITES))
def test_parameters_fit_the_flow_behind_the_entrypoint(path: str, site: str) -> None:
    one = filled_in(BY_PATH[path], site)
    flow = import_object(one["entrypoint"])
    schema = parameter_schema(flow).model_dump_for_openapi()
    assert set(one["parameters"]) <= set(schema["properties"])
    validate(one["parameters"], schema, raise_on_error=True, ignore_required=True)
    assert "{{" not in str(one["parameters"])


def test_a_wrong_parameter_does_not_fit() -> None:
    schema = parameter_schema(import_object("flows.stage_a.stage_a")).model_dump_for_openapi()
    for wrong in ({"mission": "挡风板"}, {"shard_photos": 0}, {"device": "gpu"}, {"slots": ["a b"]}):
        with pytest.raises(Exception, match=next(iter(wrong))):
            validate(wrong, schema, raise_on_error=True, ignore_required=True)


def test_the_form_shows_the_missions_without_a_switch_of_types() -> None:
    schema = parameter_schema(import_object("flows.stage_a.stage_a")).model_dump_for_openapi()
    mission = schema["properties"]["mission"]
    assert mission["type"] == "string"
    assert mission["enum"] == list(known_missions())
    assert "anyOf" not in mission
    validate({"profile": "demo"}, schema, raise_on_error=True)


def test_every_mission_has_a_night_of_its_own() -> None:
    starts = []
    for mission in known_missions().values():
        one = BY_PATH[f"stage-a/{mission.slug}"]
        assert one["parameters"]["mission"] == mission.name
        limit = {"limit": 1, "collision_strategy": "ENQUEUE", "grace_period_seconds": GRACE_SECONDS}
        assert one["concurrency_limit"] == limit
        ConcurrencyOptions.model_validate(limit)
        (schedule,) = one["schedules"]
        assert schedule["timezone"] == "Asia/Shanghai"
        starts.append(schedule["cron"])
    assert len(set(starts)) == len(starts)


def test_images_are_told_wherever_a_container_may_be() -> None:
    for one in BY_PATH.values():
        on_this_machine = one["name"] in SITES and SITES[one["name"]].pool_type == "process"
        assert ("image" in one["work_pool"]["job_variables"]) == (not on_this_machine)


def test_of_several_gpus_a_run_takes_all_and_a_slot_of_each() -> None:
    several = {path_of(one): one for one in prefect_file(known_missions(), 2)["deployments"]}
    assert several.keys() == BY_PATH.keys()
    parameters = {name: several["stage-a/gpu"]["parameters"][name] for name in ("slots", "devices")}
    given = {"mission": "挡风板安装检查", "input_root": "/i", "store": "/s", "model": {"base": "/c"}, "device": "cuda"}
    config = StageAConfig.model_validate(given | parameters)
    assert config.fleet == ("cuda:0", "cuda:1")
    assert config.slots == ("gpu-0", "gpu-1") == tuple(slots("gpu", 2))
    night = several["stage-a/air-baffle"]["parameters"]
    assert (night["devices"], len(night["slots"])) == (["cuda:0", "cuda:1"], 2)
    for path in ("dense-caption/dense-caption", "stage-b/air-baffle"):
        assert len(several[path]["parameters"]["slots"]) == 1


def test_what_runs_wait_for_is_not_in_their_queue() -> None:
    """Three spread runs that fill the engine's queue would wait for their pieces for ever."""
    waited_for = {"infer-piece/infer-piece", ANY_MISSION}
    for path, one in BY_PATH.items():
        assert one["work_pool"]["work_queue_name"] == ("default" if path in waited_for else ENGINE_QUEUE)


def test_every_mission_has_a_deployment_that_judges_its_newest_run() -> None:
    for mission in known_missions().values():
        one = filled_in(BY_PATH[f"stage-b/{mission.slug}"], "local")
        told = one["parameters"]
        assert (told.pop("profile"), told["checkpoint_block"]) == ("demo", "local-judge")
        config = StageBConfig.model_validate(told)
        assert (config.mission, config.store, config.slots) == (mission.name, "block://local", ("local-0",))
        assert config.judge.enabled
        assert split_latest_uri(config.manifest) == ("block://local", mission.name)
        assert one["concurrency_limit"] == BY_PATH[f"stage-a/{mission.slug}"]["concurrency_limit"]
        assert "mission" not in one["tags"], "it is the tag of the nights, of which each mission has one line"


def test_stage_a_hands_what_is_to_be_judged_to_the_missions_deployment_and_tickets_to_the_one_of_all() -> None:
    for mission in known_missions().values():
        names = {
            judge: stage_b_deployments(StageAConfig(mission=mission.name, hand_off=HandOffConfig(judge=judge)))
            for judge in (True, False)
        }
        assert names == {True: (f"stage-b/{mission.slug}", ANY_MISSION), False: (ANY_MISSION,)}
        assert {*names[True]} <= BY_PATH.keys()


def test_a_checkpoint_that_judges_has_a_block_where_profile_or_environment_name_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def checkpoints(site: str) -> dict[str, Any]:
        return {
            block.name: block.made and block.made.model_dump()["checkpoint"]
            for block in site_blocks(SITES[site])
            if block.kind is ModelCheckpoint
        }

    demo = PREFECT_FILE.parents[1] / ".demo"
    assert checkpoints("local") == {"local": str(demo / "checkpoint"), "local-judge": str(demo / "judge")}
    assert checkpoints("gpu") == {"gpu": None}
    monkeypatch.setenv("FIELDCHECK_HAND_OFF__MODEL__BASE", "/models/judge")
    assert checkpoints("gpu") == {"gpu": None, "gpu-judge": "/models/judge"}


def test_a_new_mission_is_one_file(tmp_path: Path) -> None:
    told = "name: 天线检查\nslug: antenna\nfocus: 天线\nrequires: [天线]\nschedule: {cron: 0 5 * * 1-5}\n"
    (tmp_path / "antenna.yaml").write_text(told, encoding="utf-8")
    missions = load_missions(tmp_path)
    made = {path_of(one): one for one in prefect_file(missions)["deployments"]}
    assert made["stage-a/antenna"]["schedules"][0]["cron"] == "0 5 * * 1-5"
    assert "stage_a/天线检查/latest.json" in made["stage-b/antenna"]["parameters"]["manifest"]
    assert {"stage-a/antenna", "stage-b/antenna"} <= {*select("local", missions)}


def test_what_is_selected_is_in_the_file() -> None:
    assert len(BY_PATH) == len(FILE["deployments"]), "deployments are selected by flow and name"
    for site in SITES:
        for path in select(site, known_missions()):
            assert import_object(BY_PATH[path]["entrypoint"]).name == path.partition("/")[0]


def test_a_deployment_has_the_version_of_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIELDCHECK_VERSION", "release-7")
    assert deploy.version() == "release-7"
    monkeypatch.delenv("FIELDCHECK_VERSION")
    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    assert deploy.version() == "unknown"
