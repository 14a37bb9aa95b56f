"""Tests of what is looked at before a run starts: missions, paths, checkpoints, devices, budgets."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import configs.preflight_model as preflight
from configs.errors import ConfigError, Fault
from configs.missions import known_missions
from configs.parts import ModelConfig
from configs.settings import load
from configs.stage_a import StageAConfig
from tests.builders import MISSION, make_adapter, make_checkpoint


def faults_of(told: dict[str, Any], **changes: Any) -> list[Fault]:
    """What is wrong with a configuration."""
    model = {**told["model"], **changes.pop("model", {})}
    return list(StageAConfig.model_validate({**told, **changes, "model": model}).faults())


def only(faults: list[Fault], where: str) -> Fault:
    """The one fault, which is there."""
    assert [fault.where for fault in faults] == [where], faults
    return faults[0]


def test_nothing_is_wrong_with_a_good_configuration(told: dict[str, Any]) -> None:
    assert faults_of(told) == []


def test_everything_that_must_be_told_is_asked_for_at_once() -> None:
    faults = list(StageAConfig().faults())
    assert [fault.where for fault in faults] == ["mission", "input_root", "store", "model.base"]
    assert all(fault.what == "is not given" and fault.cure for fault in faults)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("挡风板检查", "挡风板安装检查"),
        ("BBU安装方式检查(正装)", "BBU安装方式检查（正装）"),
        ("air-baffel", "挡风板安装检查"),
        ("RRU线揽", "RRU线缆"),
    ],
)
def test_a_mission_that_is_nearly_right_names_the_right_one(told: dict[str, Any], typed: str, meant: str) -> None:
    fault = only(faults_of(told, mission=typed), "mission")
    assert fault.cure.startswith("did you mean")
    assert meant in fault.cure


def test_a_mission_that_is_like_no_other_lists_all(told: dict[str, Any]) -> None:
    fault = only(faults_of(told, mission="zzz"), "mission")
    assert all(name in fault.cure for name in known_missions())


def test_without_missions_any_folder_goes_but_no_path(told: dict[str, Any]) -> None:
    assert faults_of(told, mission="anything", no_mission=True) == []
    for name in ("../up", "a/b", "a\\b", ".", ".."):
        only(faults_of(told, mission=name, no_mission=True), "mission")


def test_the_input_root_must_hold_the_missions_folder(told: dict[str, Any], tmp_path: Path) -> None:
    assert "no folder" in only(faults_of(told, input_root=str(tmp_path / "nowhere")), "input_root").what
    assert MISSION in only(faults_of(told, input_root=str(tmp_path)), "input_root").what
    file = tmp_path / "file"
    file.touch()
    only(faults_of(told, input_root=str(file)), "input_root")


@pytest.mark.parametrize("field", ["input_root", "store"])
@pytest.mark.parametrize("uri", ["s3://", "s3:/bucket", "s3://UPPER/x", "https://bucket", "file://host/x", "a\nb"])
def test_a_uri_that_names_no_store_is_a_fault(told: dict[str, Any], field: str, uri: str) -> None:
    only(faults_of(told, **{field: uri}), field)


@pytest.mark.parametrize("uri", ["s3://bucket/prefix", "block://target", "new/folder"])
def test_a_store_need_not_be_there_yet(told: dict[str, Any], uri: str) -> None:
    assert faults_of(told, store=uri) == []


def test_a_store_cannot_be_a_file_nor_below_one(told: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for store in (file, file / "below" / "it"):
        assert only(faults_of(told, store=str(store)), "store").what == f"{file} is a file"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("config.json", "config.json"),
        ("model.safetensors", "*.safetensors"),
        ("tokenizer.json", "tokenizer.json"),
        ("preprocessor_config.json", "preprocessor_config.json"),
    ],
)
def test_a_checkpoint_that_lacks_a_piece_is_named_with_it(told: dict[str, Any], name: str, what: str) -> None:
    (Path(told["model"]["base"]) / name).unlink()
    fault = only(faults_of(told), "model.base")
    assert what in fault.what
    assert told["model"]["base"] in fault.what


def test_an_empty_checkpoint_lacks_every_piece_at_once(told: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert [fault.where for fault in faults_of(told, model={"base": str(tmp_path / "empty")})] == ["model.base"] * 4


def test_either_name_of_the_processors_file_will_do(told: dict[str, Any]) -> None:
    folder = Path(told["model"]["base"])
    (folder / "preprocessor_config.json").rename(folder / "processor_config.json")
    assert faults_of(told) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model_type": "llama"}', "{}", "[" * 100_000])
def test_a_checkpoint_of_another_kind_is_refused(told: dict[str, Any], text: str) -> None:
    (Path(told["model"]["base"]) / "config.json").write_text(text)
    only(faults_of(told), "model.base")


def test_a_hub_name_is_never_asked_for(told: dict[str, Any]) -> None:
    fault = only(faults_of(told, model={"base": "Qwen/Qwen3-VL-4B-Instruct"}), "model.base")
    assert "hubs are never asked" in fault.cure


def test_every_adapter_is_looked_at(told: dict[str, Any], tmp_path: Path) -> None:
    good, bare, empty = make_adapter(tmp_path / "good"), make_adapter(tmp_path / "bare"), tmp_path / "empty"
    (bare / "adapter_model.safetensors").unlink()
    empty.mkdir()
    assert faults_of(told, model={"adapters": [str(good)]}) == []
    adapters = [str(tmp_path / "nowhere"), str(good), str(empty), str(bare)]
    faults = faults_of(told, model={"adapters": adapters})
    assert [fault.where for fault in faults] == ["model.adapters"] * 3
    assert ["nowhere" in faults[0].what, "empty" in faults[1].what, "bare" in faults[2].what] == [True] * 3


@pytest.mark.parametrize(
    ("device", "count", "good"),
    [
        ("cpu", 0, True),
        ("auto", 0, True),
        ("cuda", 0, False),
        ("cuda:0", 0, False),
        ("cuda", 1, True),
        ("cuda:0", 1, True),
        ("cuda:1", 1, False),
        ("cuda:7", 8, True),
        ("cuda:8", 8, False),
    ],
)
def test_a_device_must_be_there(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, device: str, count: int, good: bool
) -> None:
    monkeypatch.setattr(preflight, "cuda_device_count", lambda: count)
    faults = faults_of(told, device=device)
    if good:
        assert faults == []
    else:
        assert str(count) in only(faults, "device").what or "no CUDA device" in faults[0].what


def test_the_driver_is_asked_and_not_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    import configs.devices as devices

    def no_driver(name: str) -> object:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(devices.ctypes, "CDLL", no_driver)
    assert devices.cuda_device_count() == 0


def test_the_smallest_photo_cannot_be_larger_than_the_largest(told: dict[str, Any]) -> None:
    assert faults_of(told, model={"min_pixels": 4096, "max_pixels": 4096}) == []
    only(faults_of(told, model={"min_pixels": 4097, "max_pixels": 4096}), "model.min_pixels")


def test_the_smallest_photo_prompt_and_answer_must_fit_the_model(told: dict[str, Any]) -> None:
    small = {"model": {"max_pixels": 1024 * 100, "max_model_len": 100}, "generation": {"max_new_tokens": 50}}
    fault = only(faults_of(told, **deepcopy(small)), "model.max_model_len")
    need = int(fault.cure.split()[3].rstrip(","))
    assert need > 54
    small["model"]["max_model_len"] = need
    assert faults_of(told, **deepcopy(small)) == [], "a larger photo is scaled down"
    small["model"]["max_model_len"] = need - 1
    only(faults_of(told, **deepcopy(small)), "model.max_model_len")


def test_a_budget_counts_against_the_checkpoints_positions(told: dict[str, Any], tmp_path: Path) -> None:
    folder = str(make_checkpoint(tmp_path / "short", positions=128))
    fault = only(faults_of(told, model={"base": folder}), "model.max_model_len")
    assert fault.what.startswith("128 cannot hold a prompt of about")
    fault = only(faults_of(told, model={"base": folder, "max_model_len": 4096}), "model.max_model_len")
    assert "more than the checkpoint's 128 positions" in fault.what
    long = str(make_checkpoint(tmp_path / "long", positions=1024))
    assert faults_of(told, model={"base": long, "max_model_len": 1024}) == []


def test_a_merged_checkpoint_holds_its_adapters(told: dict[str, Any], tmp_path: Path) -> None:
    merged, adapter = str(make_checkpoint(tmp_path / "merged")), str(make_adapter(tmp_path / "adapter"))
    assert faults_of(told, model={"merged": merged}) == []
    assert faults_of(told, model={"merged": merged, "base": ""}) == []
    only(faults_of(told, model={"merged": merged, "adapters": [adapter]}), "model.adapters")
    only(faults_of(told, model={"merged": str(tmp_path / "nowhere")}), "model.merged")


def test_only_adapters_can_be_merged(told: dict[str, Any], tmp_path: Path) -> None:
    only(faults_of(told, merge={"enabled": True}), "merge.enabled")
    adapter = str(make_adapter(tmp_path / "adapter"))
    assert faults_of(told, merge={"enabled": True}, model={"adapters": [adapter]}) == []


@pytest.mark.parametrize(
    ("engine", "where"),
    [
        ({"kind": "swift"}, None),
        ({"kind": "transformers", "backend": "vllm"}, "engine.backend"),
        ({"kind": "swift", "backend": "lmdeploy"}, "engine.backend"),
        ({"kind": "endpoint"}, "engine.endpoint.url"),
        ({"kind": "endpoint", "endpoint": {"url": "gpu-7:8000"}}, "engine.endpoint.url"),
        ({"kind": "endpoint", "endpoint": {"url": "http://me:secret@gpu-7/v1"}}, "engine.endpoint.url"),
        ({"kind": "endpoint", "endpoint": {"url": "http://gpu-7:8000/v1/chat/completions"}}, "engine.endpoint.url"),
        ({"kind": "endpoint", "endpoint": {"url": "http://gpu-7:8000/v1"}}, None),
        (
            {"kind": "endpoint", "endpoint": {"url": "http://gpu-7:8000/v1", "deadline_seconds": 90}},
            "engine.endpoint.timeout_seconds",
        ),
        (
            {
                "kind": "endpoint",
                "endpoint": {"url": "http://gpu-7:8000/v1", "deadline_seconds": 90, "timeout_seconds": 45},
            },
            None,
        ),
    ],
)
def test_an_engine_must_be_there(told: dict[str, Any], engine: dict[str, Any], where: str | None) -> None:
    faults = faults_of(told, engine=engine)
    assert [fault.where for fault in faults] == ([where] if where else [])
    assert "secret" not in str(faults)


def test_an_endpoint_needs_no_checkpoint(told: dict[str, Any]) -> None:
    engine = {"kind": "endpoint", "endpoint": {"url": "http://gpu-7:8000/v1"}}
    assert faults_of(told, engine=engine, model={"base": ""}) == []


@pytest.mark.parametrize("asked", ["int8", "int4"])
def test_quantised_weights_are_refused_where_they_cannot_run(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setattr(preflight, "cuda_device_count", lambda: 0)
    assert "needs a CUDA device" in only(faults_of(told, model={"quantisation": asked}), "model.quantisation").what
    monkeypatch.setattr(preflight, "cuda_device_count", lambda: 1)
    monkeypatch.setattr(preflight, "find_spec", lambda name: None)
    assert "bitsandbytes" in only(faults_of(told, model={"quantisation": asked}), "model.quantisation").what


@pytest.mark.parametrize("text_config", [None, [], {}, {"max_position_embeddings": None}])
def test_a_checkpoint_that_says_nothing_of_positions_sets_no_bound(told: dict[str, Any], text_config: object) -> None:
    config = {"model_type": "qwen3_vl", "text_config": text_config}
    (Path(told["model"]["base"]) / "config.json").write_text(json.dumps(config))
    assert faults_of(told) == []


def test_an_answer_key_must_be_there(told: dict[str, Any], tmp_path: Path) -> None:
    only(faults_of(told, answer_key=str(tmp_path / "nowhere.json")), "answer_key")
    (tmp_path / "key.json").write_text("{}")
    assert faults_of(told, answer_key=str(tmp_path / "key.json")) == []


def test_what_is_known_to_be_faulty_is_not_judged_again(told: dict[str, Any]) -> None:
    names = frozenset({"mission", "input_root", "store", "model.base", "model.adapters.0", "device"})
    config = StageAConfig(model=ModelConfig(adapters=("nowhere",)), device="cuda:99")
    assert list(config.faults(skip=names)) == []


QUARANTINE = f"stage_a/{MISSION}/runs/0123456789abcdef/quarantine.jsonl"


def test_a_quarantine_says_store_and_mission(told: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "store" / QUARANTINE
    path.parent.mkdir(parents=True)
    path.touch()
    given = {name: value for name, value in told.items() if name not in ("mission", "store")}
    config = load(StageAConfig, {**given, "requeue": str(path)})
    assert (config.mission, config.store) == (MISSION, str(tmp_path / "store"))
    assert config.requeue == str(path)


@pytest.mark.parametrize("uri", ["quarantine.jsonl", "store/quarantine.jsonl", f"s3://bucket/{QUARANTINE}l"])
def test_what_is_no_quarantine_is_the_only_fault(told: dict[str, Any], uri: str) -> None:
    given = {name: value for name, value in told.items() if name not in ("mission", "store")}
    with pytest.raises(ConfigError) as caught:
        load(StageAConfig, {**given, "requeue": uri})
    assert [fault.where for fault in caught.value.faults] == ["requeue"]


def test_a_quarantine_must_be_there_and_of_the_mission(told: dict[str, Any], tmp_path: Path) -> None:
    only(faults_of(told, requeue=str(tmp_path / QUARANTINE)), "requeue")
    assert faults_of(told, requeue=f"s3://bucket/{QUARANTINE}") == []
    only(faults_of(told, requeue=f"s3://bucket/{QUARANTINE.replace(MISSION, 'RRU线缆')}"), "requeue")


def test_nobody_redoes_everything_and_only_what_was_quarantined(told: dict[str, Any]) -> None:
    only(faults_of(told, requeue=f"s3://bucket/{QUARANTINE}", force=True), "force")


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        (("cuda:0", "cuda:0"), "twice"),
        (("auto", "cuda:0"), "auto"),
        (("cpu:0", "cuda:0"), "different kinds"),
        (("cuda:0", "cuda:7"), "cuda:7 asked for, but there are 2"),
    ],
)
def test_a_fleet_must_make_sense(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, devices: tuple[str, ...], words: str
) -> None:
    monkeypatch.setattr(preflight, "cuda_device_count", lambda: 2)
    assert words in only(faults_of(told, devices=devices), "devices").what
    assert not faults_of(told, devices=("cuda:0", "cuda:1"))
    assert not faults_of(told, devices=("cpu:0", "cpu:1"))
