"""Tests of the layers: flag over environment over .env over profile over default, and every fault of all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from configs.errors import ConfigError, Fault
from configs.photo import DenseCaptionConfig
from configs.settings import PROFILES_DIR, load_stage_a, load_stage_b, load_verify, read_profile
from configs.stage_a import StageAConfig
from tests.builders import MISSION, published_run

LAYERS = ("default", "profile", ".env", "environment", "flag")


def faults_of(given: dict[str, Any], profile: str | None = None) -> dict[str, Fault]:
    """What is wrong with a Stage-A configuration, by place."""
    with pytest.raises(ConfigError) as caught:
        load_stage_a(given, profile)
    return {fault.where: fault for fault in caught.value.faults}


def write_profile(text: str | bytes, name: str = "mine.yaml") -> str:
    """A profile in the working directory; its path."""
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def test_what_is_told_is_what_comes_out_and_the_rest_is_default(told: dict[str, Any]) -> None:
    config = load_stage_a(told)
    assert config == StageAConfig.model_validate(told)
    assert config.mission == MISSION
    assert config.generation.max_new_tokens == 256


@pytest.mark.parametrize("top", range(len(LAYERS)), ids=LAYERS)
def test_the_highest_layer_that_speaks_is_heard(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, top: int
) -> None:
    given, profile = dict(told), None
    if top >= 1:
        profile = write_profile("shard_photos: 11\ngeneration: {seed: 11}\n")
    if top >= 2:
        Path(".env").write_text("FIELDCHECK_SHARD_PHOTOS=12\nFIELDCHECK_GENERATION__SEED=12\nOTHER=1\n")
    if top >= 3:
        monkeypatch.setenv("FIELDCHECK_SHARD_PHOTOS", "13")
        monkeypatch.setenv("FIELDCHECK_GENERATION__SEED", "13")
    if top >= 4:
        given |= {"shard_photos": 14, "generation": {"seed": 14}}
    config = load_stage_a(given, profile)
    wanted = 10 + top
    assert (config.shard_photos, config.generation.seed) == ((2048, 0) if top == 0 else (wanted, wanted))


def test_layers_are_merged_key_by_key_inside_a_part(told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    profile = write_profile("generation: {max_new_tokens: 100, temperature: 0.1, seed: 1}\nmodel: {dtype: float16}\n")
    Path(".env").write_text("FIELDCHECK_GENERATION__TEMPERATURE=0.2\n")
    monkeypatch.setenv("FIELDCHECK_GENERATION", '{"top_p": 0.5, "seed": 3}')
    config = load_stage_a({**told, "generation": {"seed": "4"}}, profile)
    assert config.generation.model_dump() == {"max_new_tokens": 100, "temperature": 0.2, "top_p": 0.5, "seed": 4}
    assert config.model.dtype == "float16"


def test_a_list_of_a_higher_layer_replaces_the_whole_list(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = write_profile("ladder: {temperatures: [0.1, 0.2, 0.3]}\n")
    assert load_stage_a(told, profile).ladder.temperatures == (0.1, 0.2, 0.3)
    monkeypatch.setenv("FIELDCHECK_LADDER__TEMPERATURES", "[0.5]")
    assert load_stage_a(told, profile).ladder.temperatures == (0.5,)
    assert load_stage_a({**told, "ladder": {"temperatures": []}}, profile).ladder.temperatures == ()


def test_what_was_given_is_not_changed_by_loading(told: dict[str, Any]) -> None:
    given = {**told, "generation": {"seed": 4}}
    before = json.dumps(given)
    load_stage_a(given, write_profile("generation: {top_p: 0.5}\n"))
    assert json.dumps(given) == before


@pytest.mark.parametrize("place", ["environment", ".env", "argument"])
def test_the_profile_can_be_named_in_every_layer(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    name = write_profile("shard_photos: 77\n")
    if place == "environment":
        monkeypatch.setenv("FIELDCHECK_PROFILE", name)
    elif place == ".env":
        Path(".env").write_text(f"FIELDCHECK_PROFILE={name}\n")
    assert load_stage_a(told, name if place == "argument" else None).shard_photos == 77


@pytest.mark.parametrize("path", sorted(PROFILES_DIR.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_profile_has_known_settings_only(path: Path) -> None:
    values, faults = read_profile(path.stem)
    assert faults == []
    for kind in (StageAConfig, DenseCaptionConfig):
        known = {**StageAConfig.model_fields, **DenseCaptionConfig.model_fields}
        assert set(values) <= set(known)
        kind.model_validate({key: value for key, value in values.items() if key in kind.model_fields})


def test_an_empty_profile_says_nothing(told: dict[str, Any]) -> None:
    assert load_stage_a(told, write_profile("# later\n")) == load_stage_a(told)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: [1", "cannot be read"),
        (b"mission: \xff\xfe", "cannot be read"),
        ("- mission\n", "is not a mapping"),
        ("just words", "is not a mapping"),
        ("!!python/object:os.system {}", "cannot be read"),
    ],
)
def test_a_profile_that_is_no_yaml_mapping_is_one_fault_and_the_rest_counts(
    told: dict[str, Any], text: str | bytes, what: str
) -> None:
    faults = faults_of(told, write_profile(text))
    assert set(faults) == {"profile"}
    assert what in faults["profile"].what
    assert "mine.yaml" in faults["profile"].what


@pytest.mark.parametrize("name", ["nowhere", "nowhere.yaml", "folder.yaml"])
def test_a_profile_that_is_not_there_is_a_fault(told: dict[str, Any], name: str) -> None:
    Path("folder.yaml").mkdir()
    assert set(faults_of(told, name)) == {"profile"}


def test_a_missing_profile_lists_those_that_ship(told: dict[str, Any]) -> None:
    assert "demo" in faults_of(told, "domo")["profile"].cure


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("max_pixels: 5\n", "max_pixels"),
        ("model: {max_pixel: 5}\n", "model.max_pixel"),
        ("inputs: {marker: required}\n", "inputs.marker"),
        ("1: 2\n", "1"),
    ],
)
def test_an_unknown_key_of_a_profile_is_named(told: dict[str, Any], text: str, where: str) -> None:
    assert set(faults_of(told, write_profile(text))) == {where}


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"device": "gpu"}, "device"),
        ({"shard_photos": 0}, "shard_photos"),
        ({"shard_photos": "many"}, "shard_photos"),
        ({"verify_inputs": "perhaps"}, "verify_inputs"),
        ({"model": {"base": ".", "dtype": "int8"}}, "model.dtype"),
        ({"model": "small"}, "model"),
        ({"generation": {"temperature": 3}}, "generation.temperature"),
        ({"generation": {"top_p": 0}}, "generation.top_p"),
        ({"generation": {"max_new_tokens": None}}, "generation.max_new_tokens"),
        ({"ladder": {"temperatures": [0.1, 5]}}, "ladder.temperatures.1"),
        ({"model": {"base": ".", "adapters": [1]}}, "model.adapters.0"),
        ({"inputs": {"markers": "maybe"}}, "inputs.markers"),
        ({"hand_off": {"deployment": "stage-b"}}, "hand_off.deployment"),
        ({"s3": {"endpoint_url": "ftp://host"}}, "s3.endpoint_url"),
        ({"mission": None}, "mission"),
    ],
)
def test_a_bad_value_is_named_with_its_variable(told: dict[str, Any], given: dict[str, Any], where: str) -> None:
    faults = faults_of({**told, **given})
    assert set(faults) - {"mission", "model.base"} == {where} - {"mission"}
    variable = "__".join(part.upper() for part in where.split(".") if not part.isdigit())
    assert f"FIELDCHECK_{variable}" in faults[where].cure


def test_two_bad_values_of_one_list_are_two_faults(told: dict[str, Any]) -> None:
    faults = faults_of({**told, "ladder": {"temperatures": [5, 0.1, 6]}, "model": {"adapters": [1, 2]}})
    assert set(faults) - {"model.base"} == {
        "ladder.temperatures.0",
        "ladder.temperatures.2",
        "model.adapters.0",
        "model.adapters.1",
    }


def test_faults_of_all_layers_are_told_together(told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    profile = write_profile("modell: {}\nshard_photos: 0\n")
    Path(".env").write_text("FIELDCHECK_GENERATION__SEED=-1\n")
    monkeypatch.setenv("FIELDCHECK_MODEL__DTYPE", "int8")
    faults = faults_of({**told, "mission": "挡风板检查", "store": ""}, profile)
    assert set(faults) == {"modell", "shard_photos", "generation.seed", "model.dtype", "mission", "store"}


def test_lists_in_the_environment_that_are_no_json_are_faults_and_the_rest_counts(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDCHECK_MODEL__ADAPTERS", "one,two")
    monkeypatch.setenv("FIELDCHECK_LADDER__TEMPERATURES", "warm")
    for name in ("mission", "store"):
        monkeypatch.setenv(f"FIELDCHECK_{name.upper()}", told.pop(name))
    faults = faults_of(told)
    assert set(faults) == {"model", "ladder"}
    assert all("JSON" in fault.what for fault in faults.values())
    assert "FIELDCHECK_MODEL" in faults["model"].cure


@pytest.mark.parametrize("data", [b"FIELDCHECK_STORE=\xff\n", b"FIELDCHECK_PROFILE=demo\nX=\xfe\n"])
def test_an_env_file_that_is_not_utf8_is_one_fault(told: dict[str, Any], data: bytes) -> None:
    Path(".env").write_bytes(data)
    assert set(faults_of(told)) == {".env"}


@pytest.mark.parametrize(
    "s3",
    [
        {"endpoint_url": "http://user:hunter2@host"},
        {"endpoint_url": "http://user:hunter2@host/" + "x" * 3000},
        "http://user:hunter2@host",
    ],
)
def test_a_password_in_an_endpoint_is_never_repeated(told: dict[str, Any], s3: object) -> None:
    with pytest.raises(ConfigError) as caught:
        load_stage_a({**told, "s3": s3})
    assert "hunter2" not in str(caught.value)


def test_a_title_counts_the_faults() -> None:
    fault = Fault("store", "is not given", "give one")
    assert str(ConfigError([fault])) == "1 fault in the configuration\n  - store: is not given (give one)"
    assert str(ConfigError([fault, fault])).startswith("2 faults")
    assert str(Fault("store", "is not given")) == "store: is not given"


def test_a_stage_b_run_is_told_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from blocks.local_store import LocalStore

    uri = published_run(LocalStore(tmp_path / "store")).uri
    assert load_stage_b({"manifest": uri}).manifest == uri
    assert load_verify({"manifest": uri, "sha256": "0" * 64}).sha256 == "0" * 64
    assert load_stage_b({"manifest": "s3://bucket/stage_a/m/runs/r/manifest.json"}).store is None
    block = "block://nightly/stage_a/m/runs/r/manifest.json"
    assert load_stage_b({"manifest": block}).manifest == block
    monkeypatch.setenv("FIELDCHECK_MANIFEST", uri)
    assert load_stage_b({}).manifest == uri


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, {"manifest"}),
        ({"manifest": "nowhere/manifest.json"}, {"manifest"}),
        ({"manifest": "here.json"}, {"manifest"}),
        ({"manifest": "s3://B/manifest.json"}, {"manifest"}),
        ({"manifest": "nowhere/manifest.json", "sha256": "00", "store": "s3://"}, {"manifest", "sha256", "store"}),
    ],
)
def test_every_fault_of_a_stage_b_run_is_told(given: dict[str, Any], where: set[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_stage_b(given)
    assert {fault.where for fault in caught.value.faults} == where


def test_a_profile_of_both_stages_serves_each(told: dict[str, Any], tmp_path: Path) -> None:
    from blocks.local_store import LocalStore

    profile = write_profile("shard_photos: 9\nsha256: " + "ab" * 32 + "\n")
    uri = published_run(LocalStore(tmp_path / "store")).uri
    assert load_stage_a(told, profile).shard_photos == 9
    assert load_stage_b({"manifest": uri}, profile).sha256 == "ab" * 32
