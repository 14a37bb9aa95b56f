"""Tests of what is looked at before single photos, folders and checkpoints are: files, folders, budgets, secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from configs.base import BaseConfig
from configs.checkpoints import InspectConfig, MergeCheckpointConfig
from configs.dense import DenseCaptionConfig
from configs.errors import ConfigError, Fault
from configs.photo import CaptionConfig, SummarizeConfig
from configs.settings import load
from tests.builders import make_adapter, make_checkpoint, put_photos


@pytest.fixture
def photo(tmp_path: Path) -> dict[str, Any]:
    """A photo and a checkpoint."""
    put_photos(tmp_path / "photos", "a", ["img1.jpg"])
    return {
        "image": str(tmp_path / "photos" / "a" / "img1.jpg"),
        "model": {"base": str(make_checkpoint(tmp_path / "checkpoint"))},
    }


@pytest.fixture
def folder(photo: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """A folder of photos and a checkpoint."""
    return {"input_root": str(tmp_path / "photos"), "store": str(tmp_path / "store"), "model": photo["model"]}


def faults_of(kind: type[BaseConfig], given: dict[str, Any], **changes: Any) -> list[Fault]:
    """What is wrong."""
    try:
        load(kind, {**given, **changes})
    except ConfigError as error:
        return list(error.faults)
    return []


def only(faults: list[Fault], where: str) -> Fault:
    """The one fault, which is there."""
    assert [fault.where for fault in faults] == [where], faults
    return faults[0]


@pytest.mark.parametrize("kind", [SummarizeConfig, CaptionConfig])
def test_a_photo_and_a_checkpoint_are_all_that_is_needed(
    kind: type[BaseConfig], photo: dict[str, Any], tmp_path: Path
) -> None:
    assert faults_of(kind, photo) == []
    assert [fault.where for fault in faults_of(kind, {})] == ["image", "model.base"]
    only(faults_of(kind, photo, image=str(tmp_path / "nowhere.jpg")), "image")
    only(faults_of(kind, photo, image=str(tmp_path)), "image")
    only(faults_of(kind, photo, device="cuda:99"), "device")


def test_a_mission_is_optional_and_must_be_known(photo: dict[str, Any]) -> None:
    assert faults_of(SummarizeConfig, photo, mission="挡风板安装检查") == []
    assert "did you mean" in only(faults_of(SummarizeConfig, photo, mission="挡风板检查"), "mission").cure


def test_an_overlay_needs_a_folder_and_labels_a_font(photo: dict[str, Any], tmp_path: Path) -> None:
    assert faults_of(CaptionConfig, photo, overlay=str(tmp_path / "out.png")) == []
    only(faults_of(CaptionConfig, photo, overlay=str(tmp_path / "nowhere" / "out.png")), "overlay")
    only(faults_of(CaptionConfig, photo, font=str(tmp_path / "nowhere.ttf")), "font")


@pytest.mark.parametrize("kind", [CaptionConfig, DenseCaptionConfig])
def test_a_caption_must_fit_the_model(kind: type[BaseConfig], photo: dict[str, Any], folder: dict[str, Any]) -> None:
    model = {**photo["model"], "max_model_len": 2048}
    given = photo if kind is CaptionConfig else folder
    assert "dense.max_new_tokens 2048" in only(faults_of(kind, given, model=model), "model.max_model_len").what
    assert faults_of(kind, given, model=model, dense={"max_new_tokens": 1024}) == []


def test_a_folder_of_photos_needs_a_store(folder: dict[str, Any], tmp_path: Path) -> None:
    assert faults_of(DenseCaptionConfig, folder) == []
    assert faults_of(DenseCaptionConfig, folder, name="第一批") == []
    assert [fault.where for fault in faults_of(DenseCaptionConfig, {})] == ["input_root", "store", "model.base"]
    only(faults_of(DenseCaptionConfig, folder, input_root=str(tmp_path / "nowhere")), "input_root")
    only(faults_of(DenseCaptionConfig, folder, name="a/b"), "name")
    only(faults_of(DenseCaptionConfig, folder, dense_key=str(tmp_path / "nowhere.json")), "dense_key")


def test_a_merge_needs_adapters_and_nothing_merged(photo: dict[str, Any], tmp_path: Path) -> None:
    base = photo["model"]["base"]
    adapters = [str(make_adapter(tmp_path / "adapter"))]
    assert faults_of(MergeCheckpointConfig, {}, model={"base": base, "adapters": adapters}) == []
    only(faults_of(MergeCheckpointConfig, {}, model={"base": base}), "model.adapters")
    only(faults_of(MergeCheckpointConfig, {}, model={"base": base, "merged": base}), "model.merged")
    told = {"model": {"base": base, "adapters": adapters}, "merge": {"probe_photos": str(tmp_path / "nowhere")}}
    only(faults_of(MergeCheckpointConfig, told), "merge.probe_photos")


def test_what_is_inspected_must_be_a_folder(tmp_path: Path) -> None:
    assert faults_of(InspectConfig, {"checkpoint": str(tmp_path)}) == []
    only(faults_of(InspectConfig, {}), "checkpoint")
    only(faults_of(InspectConfig, {"checkpoint": "Qwen/Qwen3-VL-4B-Instruct"}), "checkpoint")
    only(faults_of(InspectConfig, {"checkpoint": str(tmp_path), "base": "nowhere"}), "base")


ENDPOINT = {"kind": "endpoint", "endpoint": {"url": "http://gpu-7:8000/v1"}}


def test_an_api_key_comes_from_the_environment_and_is_never_typed(
    photo: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = {"kind": "endpoint", "endpoint": {"url": "http://gpu-7:8000/v1", "api_key": "sk-typed"}}
    fault = only(faults_of(CaptionConfig, photo, engine=typed), "engine.endpoint.api_key")
    assert "FIELDCHECK_ENGINE__ENDPOINT__API_KEY" in fault.cure
    assert "sk-typed" not in str(fault)
    monkeypatch.setenv("FIELDCHECK_ENGINE__ENDPOINT__API_KEY", "sk-environment")
    config = load(CaptionConfig, {**photo, "engine": ENDPOINT})
    assert config.engine.endpoint.api_key is not None
    assert config.engine.endpoint.api_key.get_secret_value() == "sk-environment"
    assert "sk-environment" not in repr(config)
    assert "sk-environment" not in config.model_dump_json()


def test_a_profile_serves_every_command(photo: dict[str, Any], folder: dict[str, Any], tmp_path: Path) -> None:
    profile = tmp_path / "all.yaml"
    profile.write_text("generation: {max_new_tokens: 96}\ndense: {max_new_tokens: 900}\nladder: {temperatures: []}\n")
    assert load(SummarizeConfig, photo, str(profile)).generation.max_new_tokens == 96
    assert load(CaptionConfig, photo, str(profile)).dense.max_new_tokens == 900
    assert load(DenseCaptionConfig, folder, str(profile)).dense.max_new_tokens == 900
