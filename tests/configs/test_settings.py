"""Tests of the layers: flag over environment over .env over profile over default, and every fault of all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from configs.commands import KINDS
from configs.dense import DenseCaptionConfig
from configs.errors import ConfigError, Fault
from configs.settings import PROFILES_DIR, load, read_profile
from configs.stage_a import StageAConfig
from configs.stage_b import StageBConfig, VerifyConfig
from configs.variables import Dotenv, unknown_variables
from tests.builders import MISSION, published_run

LAYERS = ("default", "profile", ".env", "environment", "flag")


def faults_of(given: dict[str, Any], profile: str | None = None) -> dict[str, Fault]:
    """What is wrong with a Stage-A configuration, by place."""
    with pytest.raises(ConfigError) as caught:
        load(StageAConfig, given, profile)
    return {fault.where: fault for fault in caught.value.faults}


def write_profile(text: str | bytes, name: str = "mine.yaml") -> str:
    """A profile in the working directory; its path."""
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def test_what_is_told_is_what_comes_out_and_the_rest_is_default(told: dict[str, Any]) -> None:
    config = load(StageAConfig, told)
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
    config = load(StageAConfig, given, profile)
    wanted = 10 + top
    assert (config.shard_photos, config.generation.seed) == ((2048, 0) if top == 0 else (wanted, wanted))


def test_layers_are_merged_key_by_key_inside_a_part(told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    profile = write_profile("generation: {max_new_tokens: 100, temperature: 0.1, seed: 1}\nmodel: {dtype: float16}\n")
    Path(".env").write_text("FIELDCHECK_GENERATION__TEMPERATURE=0.2\n")
    monkeypatch.setenv("FIELDCHECK_GENERATION", '{"top_p": 0.5, "seed": 3}')
    config = load(StageAConfig, {**told, "generation": {"seed": "4"}}, profile)
    assert config.generation.model_dump() == {"max_new_tokens": 100, "temperature": 0.2, "top_p": 0.5, "seed": 4}
    assert config.model.dtype == "float16"


def test_a_list_of_a_higher_layer_replaces_the_whole_list(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = write_profile("ladder: {temperatures: [0.1, 0.2, 0.3]}\n")
    assert load(StageAConfig, told, profile).ladder.temperatures == (0.1, 0.2, 0.3)
    monkeypatch.setenv("FIELDCHECK_LADDER__TEMPERATURES", "[0.5]")
    assert load(StageAConfig, told, profile).ladder.temperatures == (0.5,)
    assert load(StageAConfig, {**told, "ladder": {"temperatures": []}}, profile).ladder.temperatures == ()


def test_what_was_given_is_not_changed_by_loading(told: dict[str, Any]) -> None:
    given = {**told, "generation": {"seed": 4}}
    before = json.dumps(given)
    load(StageAConfig, given, write_profile("generation: {top_p: 0.5}\n"))
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
    assert load(StageAConfig, told, name if place == "argument" else None).shard_photos == 77


@pytest.mark.parametrize("path", sorted(PROFILES_DIR.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_profile_has_known_settings_only(path: Path) -> None:
    values, faults = read_profile(path.stem)
    assert faults == []
    for kind in (StageAConfig, DenseCaptionConfig):
        known = {**StageAConfig.model_fields, **DenseCaptionConfig.model_fields}
        assert set(values) <= set(known)
        kind.model_validate({key: value for key, value in values.items() if key in kind.model_fields})


def test_an_empty_profile_says_nothing(told: dict[str, Any]) -> None:
    assert load(StageAConfig, told, write_profile("# later\n")) == load(StageAConfig, told)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: [1", "line 1: column 6: while parsing a flow sequence expected"),
        (b"mission: \xff\xfe", "line 1: byte 0xff is not UTF-8"),
        ("- mission\n", "is not a mapping"),
        ("just words", "is not a mapping"),
        ("!!python/object:os.system {}", "line 1: column 1: the tag"),
        ("1: 2\n", "a key is not text"),
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


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b"FIELDCHECK_STORE=\xff\n", 1, "byte 0xff is not UTF-8"),
        (b"FIELDCHECK_PROFILE=demo\n\nX=\xfe\n", 3, "byte 0xfe is not UTF-8"),
        ("FIELDCHECK_STORE=存储\n".encode("gb18030"), 1, "is not UTF-8"),
        ("FIELDCHECK_STORE=a\n".encode("utf-16"), 1, "is in UTF-16"),
        ("FIELDCHECK_STORE=a\n".encode("utf-16-le"), 1, "is it in UTF-16?"),
        (b"# all\r\n\r\nFIELDCHECK_STORE='a\r\n", 3, "cannot be read"),
        (b'A=1\nFIELDCHECK_STORE="a" b\n', 2, "cannot be read"),
        (b"A=1\nFIELDCHECK STORE=a\n", 2, "cannot be read"),
    ],
)
def test_an_env_file_that_cannot_be_read_is_one_fault_with_its_line(
    told: dict[str, Any], data: bytes, line: int, what: str
) -> None:
    Path(".env").write_bytes(data)
    faults = faults_of(told)
    assert set(faults) == {f".env, line {line}"}
    assert what in faults[f".env, line {line}"].what


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "BOM"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_an_env_file_from_any_editor_says_the_same(told: dict[str, Any], start: str, end: str, quote: str) -> None:
    lines = [
        f"FIELDCHECK_SHARD_PHOTOS={quote}12{quote}",
        "# 备注",
        f"export FIELDCHECK_GENERATION__SEED = {quote}7{quote}  # 种子",
    ]
    Path(".env").write_bytes(f"{start}{end.join(lines)}{end}".encode())
    config = load(StageAConfig, told)
    assert (config.shard_photos, config.generation.seed) == (12, 7)


def test_a_folder_called_env_says_nothing_and_a_file_without_an_end_is_a_fault(told: dict[str, Any]) -> None:
    Path(".env").mkdir()
    load(StageAConfig, told)
    Path(".env").rmdir()
    Path(".env").write_bytes(b"A=1\n" * 100_000)
    assert set(faults_of(told)) == {".env"}


MEANT = [
    ("FIELDCHECK_MAX_NEW_TOKENS", "FIELDCHECK_GENERATION__MAX_NEW_TOKENS"),
    ("FIELDCHECK_CHECKPOINT", "FIELDCHECK_MODEL__BASE"),
    ("FIELDCHECK_ENDPOINT_URL", "FIELDCHECK_S3__ENDPOINT_URL"),
    ("FIELDCHECK_GENERATION_SEED", "FIELDCHECK_GENERATION__SEED"),
    ("fieldcheck_shard_photo", "FIELDCHECK_SHARD_PHOTOS"),
    ("FIELDCHECK_INPUTROOT", "FIELDCHECK_INPUT_ROOT"),
    ("FIELDCHECK_MAX_FILE_BYTES", "FIELDCHECK_INPUTS__MAX_FILE_BYTES"),
    ("FIELDCHECK_QQQQQQQQ", None),
]


@pytest.mark.parametrize(("name", "meant"), MEANT)
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_variable_that_says_nothing_is_a_fault_with_what_was_meant(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, where: str, name: str, meant: str | None
) -> None:
    if where == "environment":
        monkeypatch.setenv(name, "hunter2")
    else:
        Path(".env").write_text(f"\n# x\n{name}=hunter2\n")
    faults = faults_of(told)
    assert set(faults) == {name}
    assert faults[name].what == f"there is no such setting ({where}{', line 3' if where == '.env' else ''})"
    assert faults[name].cure == (f"write {meant}" if meant else "")
    assert "hunter2" not in str(faults[name])


def test_variables_of_other_commands_and_our_own_are_no_faults(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MANIFEST", "DENSE__MAX_NEW_TOKENS", "FONT", "HOME", "FUZZ", "SITE", "TEST_REDIS", "OVERLAY"):
        monkeypatch.setenv(f"FIELDCHECK_{name}", "/somewhere")
    monkeypatch.setenv("FIELDCHECKER", "x")
    assert load(StageAConfig, told) == load(StageAConfig, told, None)


def test_an_unknown_setting_inside_a_part_is_told_once(told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDCHECK_MODEL__BSE", "x")
    assert set(faults_of(told)) == {"model.bse"}


def test_every_variable_in_the_repository_is_a_setting_or_known_as_our_own() -> None:
    root, kinds = Path(__file__).parents[2], {"", ".py", ".md", ".yaml", ".sh", ".toml"}
    names: set[str] = set()
    for path in root.rglob("*"):
        inside = path.relative_to(root).parts
        if (
            inside[0].startswith(".")
            or inside[0] in {"tests", "CHANGELOG.md"}
            or path.suffix not in kinds
            or not path.is_file()
        ):
            continue
        names |= {*re.findall(r"\bFIELDCHECK_[A-Z0-9_]*[A-Z0-9]\b", path.read_text(encoding="utf-8", errors="ignore"))}
    given = dict.fromkeys(names, "x")
    assert {"FIELDCHECK_STORE", "FIELDCHECK_HOME"} <= names
    assert list(unknown_variables(StageAConfig, KINDS, given, Dotenv({}, {}))) == []


def test_empty_variables_count_as_unset(told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose writes them so: `FIELDCHECK_X: ${X:-}`."""
    names = (
        "SHARD_PHOTOS",
        "GENERATION__SEED",
        "MODEL__ADAPTERS",
        "LADDER__TEMPERATURES",
        "DEVICES",
        "S3__REGION",
        "S3",
    )
    for name in (*names, "PROFILE", "ANSWER_KEY", "ENGINE__ENDPOINT__API_KEY", "MERGE__ENABLED", "NO_SUCH_SETTING"):
        monkeypatch.setenv(f"FIELDCHECK_{name}", "")
    assert load(StageAConfig, told) == StageAConfig.model_validate(told)
    Path(".env").write_text("FIELDCHECK_SHARD_PHOTOS=12\nFIELDCHECK_GENERATION__SEED=\nFIELDCHECK_PROFILE=\n")
    assert load(StageAConfig, told).shard_photos == 12


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
        load(StageAConfig, {**told, "s3": s3})
    assert "hunter2" not in str(caught.value)


def test_a_title_counts_the_faults() -> None:
    fault = Fault("store", "is not given", "give one")
    assert str(ConfigError([fault])) == "1 fault in the configuration\n  - store: is not given (give one)"
    assert str(ConfigError([fault, fault])).startswith("2 faults")
    assert str(Fault("store", "is not given")) == "store: is not given"


def test_a_stage_b_run_is_told_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from blocks.local_store import LocalStore

    uri = published_run(LocalStore(tmp_path / "store")).uri
    tickets_alone: dict[str, Any] = {"judge": {"enabled": False}}
    told = load(StageBConfig, {"manifest": uri, **tickets_alone})
    assert (told.manifest, told.store, told.mission) == (uri, str(tmp_path / "store"), MISSION)
    assert load(VerifyConfig, {"manifest": uri, "sha256": "0" * 64}).sha256 == "0" * 64
    elsewhere = load(StageBConfig, {"manifest": "s3://bucket/stage_a/m/runs/r/manifest.json", **tickets_alone})
    assert (elsewhere.store, elsewhere.mission) == ("s3://bucket", "m")
    block = "block://nightly/stage_a/m/runs/r/manifest.json"
    assert load(StageBConfig, {"manifest": block, **tickets_alone}).store == "block://nightly"
    monkeypatch.setenv("FIELDCHECK_MANIFEST", uri)
    assert load(StageBConfig, tickets_alone).store == str(tmp_path / "store")


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
        load(StageBConfig, {**given, "judge": {"enabled": False}})
    assert {fault.where for fault in caught.value.faults} == where


def test_a_profile_of_both_stages_serves_each(told: dict[str, Any], tmp_path: Path) -> None:
    from blocks.local_store import LocalStore

    profile = write_profile("shard_photos: 9\nsha256: " + "ab" * 32 + "\n")
    uri = published_run(LocalStore(tmp_path / "store")).uri
    assert load(StageAConfig, told, profile).shard_photos == 9
    given = {"manifest": uri, "judge": {"enabled": False}}
    assert load(StageBConfig, given, profile).sha256 == "ab" * 32
