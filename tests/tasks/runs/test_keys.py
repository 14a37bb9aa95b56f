"""Tests of the keys of a run, and of taking a manifest's URI apart."""

from __future__ import annotations

import pytest

from blocks.local_store import LocalStore
from configs.missions import known_missions
from configs.stores import S3Location, key_fault, parse_store_uri
from tasks.records.errors import ManifestError
from tasks.runs.keys import (
    index_key,
    latest_key,
    lock_key,
    records_name,
    run_folder,
    shard_key,
    split_latest_uri,
    split_manifest_uri,
    stage_a_folder,
)

KEY = "stage_a/挡风板安装检查/runs/0123456789abcdef/manifest.json"


@pytest.mark.parametrize(
    ("uri", "root"),
    [
        (f"/data/store/{KEY}", "/data/store"),
        (f"/{KEY}", "/"),
        (KEY, "."),
        (f"./{KEY}", "."),
        (f"../store/{KEY}", "../store"),
        (f".demo/store/{KEY}", ".demo/store"),
        (f"~/store/{KEY}", "~/store"),
        (f"file:///data/store/{KEY}", "file:///data/store"),
        (f"s3://bucket/{KEY}", "s3://bucket"),
        (f"s3://bucket/a/b/{KEY}", "s3://bucket/a/b"),
        (f"block://target/{KEY}", "block://target"),
        (f"/stage_a/m/runs/r/{KEY}", "/stage_a/m/runs/r"),
    ],
)
def test_a_manifest_uri_is_a_root_and_a_key(uri: str, root: str) -> None:
    assert split_manifest_uri(uri) == (root, KEY)


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("stage_a/m/latest.json", (".", "m")),
        ("/stage_a/m/latest.json", ("/", "m")),
        ("block://gpu/stage_a/m/latest.json", ("block://gpu", "m")),
        ("s3://bucket/a/stage_a/m/latest.json", ("s3://bucket/a", "m")),
        ("s3://bucket/stage_b/m/latest.json", None),
        ("stage_a/m/runs/latest.json", None),
        ("my_stage_a/m/latest.json", None),
        (KEY, None),
    ],
)
def test_the_uri_of_a_pointer_is_a_root_and_a_mission(uri: str, found: tuple[str, str] | None) -> None:
    assert split_latest_uri(uri) == found


@pytest.mark.parametrize("stage", ["stage_b", "dense"])
def test_a_manifest_of_another_stage_is_one_too(stage: str) -> None:
    assert split_manifest_uri(f"s3://b/{stage}/m/runs/r/manifest.json") == ("s3://b", f"{stage}/m/runs/r/manifest.json")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "manifest.json",
        "/data/manifest.json",
        "/data/stage_a/m/runs/manifest.json",
        "/data/stage_a/m/runs/r/manifest.json/",
        "/data/stage_a/m/runs/r/records.jsonl",
        "/data/stage_a/m/run/r/manifest.json",
        "/data/stage_c/m/runs/r/manifest.json",
        "/data/stage_a/m/n/runs/r/manifest.json",
        "/data/my_stage_a/m/runs/r/manifest.json",
        f"/data/{KEY}\n",
    ],
)
def test_what_is_no_manifest_of_ours_is_refused_by_name(uri: str) -> None:
    with pytest.raises(ManifestError, match="give a manifest's URI") as caught:
        split_manifest_uri(uri)
    assert uri in str(caught.value)


def test_taking_apart_undoes_putting_together(tmp_path: object) -> None:
    assert split_manifest_uri(LocalStore(str(tmp_path)).uri_of(KEY)) == (str(tmp_path), KEY)
    location = parse_store_uri("s3://bucket/prefix")
    assert isinstance(location, S3Location)
    assert split_manifest_uri(f"{location.uri}/{KEY}") == (location.uri, KEY)


@pytest.mark.parametrize("mission", known_missions())
def test_every_mission_makes_good_keys(mission: str) -> None:
    folder = stage_a_folder(mission)
    keys = (
        shard_key(folder, "0" * 64),
        index_key(folder, "0" * 64, 1, 0, "0" * 64),
        index_key(folder, "0" * 64, 1, 2, "0" * 64),
        latest_key(mission),
        lock_key(folder),
        f"{run_folder(folder, '0' * 16)}/{records_name(mission)}",
    )
    assert [key for key in keys if key_fault(key)] == []
