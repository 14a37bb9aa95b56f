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

from configs.missions import known_missions, load_missions
from configs.stage_a import StageAConfig
from infra import deploy
from infra.deployments import GRACE_SECONDS, PREFECT_FILE, as_text, prefect_file, select
from infra.sites import ENGINE_QUEUE, SITES, slots

FILE: dict[str, Any] = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))
BY_NAME = {one["name"]: one for one in FILE["deployments"]}
MOST_PARAMETERS = pytest.mark.parametrize("name", list(BY_NAME))


def unknown(model: type[BaseModel], data: dict[str, Any]) -> set[str]:
    """Keys that Prefect's model of a part of the file does not know: it would ignore them."""
    return set(data) - set(model.model_fields)


def filled_in(value: Any, site: str) -> Any:
    """A value with what `make deploy` fills in."""
    told = {"SITE": site, "SITE_PROFILE": SITES[site].profile, "NIGHTS": "true", "VERSION": "v1", "IMAGE": "image:1"}
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


@MOST_PARAMETERS
@pytest.mark.parametrize("site", list(SITES))
def test_parameters_fit_the_flow_behind_the_entrypoint(name: str, site: str) -> None:
    one = filled_in(BY_NAME[name], site)
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
        one = BY_NAME[mission.slug]
        assert one["parameters"]["mission"] == mission.name
        limit = {"limit": 1, "collision_strategy": "ENQUEUE", "grace_period_seconds": GRACE_SECONDS}
        assert one["concurrency_limit"] == limit
        ConcurrencyOptions.model_validate(limit)
        (schedule,) = one["schedules"]
        assert schedule["timezone"] == "Asia/Shanghai"
        starts.append(schedule["cron"])
    assert len(set(starts)) == len(starts)


def test_images_are_told_wherever_a_container_may_be() -> None:
    for name, one in BY_NAME.items():
        on_this_machine = name in SITES and SITES[name].pool_type == "process"
        assert ("image" in one["work_pool"]["job_variables"]) == (not on_this_machine)


def test_of_several_gpus_a_run_takes_all_and_a_slot_of_each() -> None:
    several = {one["name"]: one for one in prefect_file(known_missions(), 2)["deployments"]}
    assert several.keys() == BY_NAME.keys()
    parameters = {name: several["gpu"]["parameters"][name] for name in ("slots", "devices")}
    given = {"mission": "挡风板安装检查", "input_root": "/i", "store": "/s", "model": {"base": "/c"}, "device": "cuda"}
    config = StageAConfig.model_validate(given | parameters)
    assert config.fleet == ("cuda:0", "cuda:1")
    assert config.slots == ("gpu-0", "gpu-1") == tuple(slots("gpu", 2))
    night = several["air-baffle"]["parameters"]
    assert (night["devices"], len(night["slots"])) == (["cuda:0", "cuda:1"], 2)
    assert len(several["dense-caption"]["parameters"]["slots"]) == 1


def test_what_runs_wait_for_is_not_in_their_queue() -> None:
    """Three spread runs that fill the engine's queue would wait for their pieces for ever."""
    waited_for = {"infer-piece", "stage-b"}
    for name, one in BY_NAME.items():
        assert one["work_pool"]["work_queue_name"] == ("default" if name in waited_for else ENGINE_QUEUE)


def test_a_new_mission_is_one_file(tmp_path: Path) -> None:
    told = "name: 天线检查\nslug: antenna\nfocus: 天线\nrequires: [天线]\nschedule: {cron: 0 5 * * 1-5}\n"
    (tmp_path / "antenna.yaml").write_text(told, encoding="utf-8")
    missions = load_missions(tmp_path)
    made = {one["name"]: one for one in prefect_file(missions)["deployments"]}
    assert made["antenna"]["schedules"][0]["cron"] == "0 5 * * 1-5"
    assert "stage-a/antenna" in select("local", missions)


def test_what_is_selected_is_in_the_file() -> None:
    assert len(BY_NAME) == len(FILE["deployments"]), "deployments are selected by name"
    for site in SITES:
        for name in select(site, known_missions()):
            flow, deployment = name.split("/")
            assert import_object(BY_NAME[deployment]["entrypoint"]).name == flow


def test_a_deployment_has_the_version_of_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIELDCHECK_VERSION", "release-7")
    assert deploy.version() == "release-7"
    monkeypatch.delenv("FIELDCHECK_VERSION")
    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    assert deploy.version() == "unknown"
