"""Dense captions from a folder to a published run, through an OpenAI-compatible server and a real Prefect."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from blocks.local_store import LocalStore
from configs.errors import ConfigError
from configs.parts import EndpointConfig, EngineConfig, ModelConfig
from flows.cli import main
from flows.dense_caption import dense_caption
from tasks.dense.parse import parse_caption
from tasks.engines.open import close_engines
from tasks.records.errors import NothingToDo
from tests.builders import files_under
from tests.demo import Demo
from tests.flows.conftest import MISSION
from tests.tasks.engines.faulty import Script, chat, faulty, status

pytestmark = pytest.mark.usefixtures("prefect_harness")

CAPTION = {
    "object_1": {"desc": "BBU设备/品牌:华为", "bbox_2d": [10, 20, 990, 200]},
    "object_2": {"desc": "光纤/有保护", "line_points": 2, "line": [500, 300, 520, 700]},
}

GROUPS = ("审核通过/QC-20260305-0005", "审核不通过/QC-20260308-0008")
"""The second holds the truncated photo."""


@pytest.fixture(scope="module")
def photos(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few of the demo's photos, under the keys that they have there."""
    root = tmp_path_factory.mktemp("photos")
    for group in GROUPS:
        shutil.copytree(Path(demo.photos) / MISSION / group, root / MISSION / group)
    return root


@pytest.fixture(scope="module")
def server() -> Iterator[Script]:
    """An OpenAI-compatible server that gives every photo the same caption, and the last one a bad one."""
    with faulty() as script:
        yield script


@pytest.fixture(scope="module")
def given(server: Script, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the tests of this file have in common. By the answer key, every caption is the right one."""
    key = tmp_path_factory.mktemp("key") / "dense_key.json"
    key.write_text(json.dumps(dict.fromkeys(photo_keys(photos), CAPTION), ensure_ascii=False), encoding="utf-8")
    return {
        "input_root": str(photos),
        "name": "夜间",
        "engine": EngineConfig(kind="endpoint", endpoint=EndpointConfig(url=server.url, concurrency=1)),
        "dense_key": str(key),
        "shard_photos": 4,
    }


@pytest.fixture(scope="module")
def run(
    given: dict[str, Any], server: Script, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """One run into a local store."""
    good = status(200, chat(json.dumps(CAPTION, ensure_ascii=False)))
    readable = len(photo_keys(photos)) - 1
    server.acts = [*[good] * (readable - 1), status(200, chat('{"object_2":{}}'))]
    return dense_caption(**given, store=str(tmp_path_factory.mktemp("store")))


def photo_keys(photos: Path) -> list[str]:
    """The photos under a root."""
    return [path.relative_to(photos).as_posix() for path in photos.rglob("*") if path.suffix in {".jpg", ".png"}]


def lines(run: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The records of one of the run's files."""
    text = (Path(run["manifest"]).parent / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_every_photo_is_captioned_or_rejected_and_scored(run: dict[str, Any], photos: Path) -> None:
    there = photo_keys(photos)
    assert (run["photos"], run["captioned"], run["rejected"]) == (len(there), len(there) - 2, 2)
    assert run["inferred"] == len(there) - 1
    assert (run["precision"], run["desc_accuracy"], run["valid"]) == (1.0, 1.0, len(there) - 2)
    assert run["recall"] == pytest.approx((len(there) - 2) / len(there), abs=1e-4)
    rejected = lines(run, "rejected.jsonl")
    images = [record["image"] for record in lines(run, "captions.jsonl") + rejected]
    assert sorted(images) == sorted(there)
    assert sorted(record["reason"] for record in rejected) == ["caption_invalid", "truncated_image"]
    (invalid,) = [record for record in rejected if record["reason"] == "caption_invalid"]
    assert any("object_1 is due here" in violation for violation in invalid["violations"])


def test_captions_are_valid_and_pixels_are_of_the_upright_photo(run: dict[str, Any]) -> None:
    for record in lines(run, "captions.jsonl"):
        caption = parse_caption(json.dumps(record["objects"], ensure_ascii=False))
        for number, item in enumerate(caption.objects, start=1):
            points = record["pixels"][f"object_{number}"]
            expected = [
                value * (record["width"], record["height"])[index % 2] / 1000
                for index, value in enumerate(item.geometry.flat)
            ]
            assert points == pytest.approx(expected, abs=0.06)


def test_every_caption_is_drawn_on_its_photo(run: dict[str, Any]) -> None:
    folder = Path(run["manifest"]).parent / "overlays"
    captioned = [record["image"] for record in lines(run, "captions.jsonl")]
    assert len(captioned) > 5
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png")) == sorted(
        f"{image}.png" for image in captioned
    )
    with Image.open(folder / f"{captioned[0]}.png") as picture:
        assert min(picture.size) >= 640


def test_a_second_run_asks_nothing_and_publishes_the_same(given: dict[str, Any], run: dict[str, Any]) -> None:
    store = Path(run["manifest"]).parents[4]
    before = files_under(LocalStore(store))
    again = dense_caption(**{**given, "shard_photos": 100}, store=str(store))
    assert (again["inferred"], again["fresh"], again["sha256"]) == (0, False, run["sha256"])
    assert files_under(LocalStore(store)) == before


def test_two_devices_and_other_shards_publish_the_same_bytes(demo: Demo, photos: Path, tmp_path: Path) -> None:
    told = {
        "input_root": str(photos),
        "name": "夜间",
        "model": ModelConfig(base=demo.checkpoint, max_pixels=82944),
        "overlays": False,
    }
    one = dense_caption(**told, device="cpu", store=str(tmp_path / "one"))
    two = dense_caption(**told, devices=["cpu:0", "cpu:1"], shard_photos=3, store=str(tmp_path / "two"))
    assert (one["inferred"], one["sha256"]) == (two["inferred"], two["sha256"])
    runs = [files_under(LocalStore(tmp_path / name), "dense/夜间/runs/") for name in ("one", "two")]
    assert runs[0] == runs[1]
    close_engines()


def test_verify_knows_the_run_and_names_what_was_changed(
    run: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Path(run["manifest"]).parents[4]
    assert main(["verify", run["manifest"], "--sha256", run["sha256"]]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["stage"], told["name"], told["sha256"]) == ("dense", "夜间", run["sha256"])
    assert (told["objects"], told["records"]) == (4, 2 * run["photos"] - 1)
    shutil.copytree(store, tmp_path / "store")
    manifest = tmp_path / "store" / Path(run["manifest"]).relative_to(store)
    captions = manifest.with_name("captions.jsonl")
    captions.write_bytes(captions.read_bytes().replace("华为".encode(), "中兴".encode(), 1))
    assert main(["verify", str(manifest)]) == 1
    assert f"{captions} was changed" in capsys.readouterr().err


def test_wrong_parameters_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        dense_caption(input_root="nowhere", store=str(tmp_path), model={"base": "nowhere"}, name="a/b")
    assert [fault.where for fault in caught.value.faults] == ["input_root", "name", "model.base"]


def test_a_folder_without_photos_is_nothing_to_do(given: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(NothingToDo):
        dense_caption(**{**given, "input_root": str(tmp_path / "in")}, store=str(tmp_path / "out"))


def test_the_demo_checkpoint_captions_photos_as_they_were_drawn(demo: Demo, photos: Path, tmp_path: Path) -> None:
    run = dense_caption(
        input_root=str(photos),
        store=str(tmp_path),
        device="cpu",
        model=ModelConfig(base=demo.checkpoint, max_pixels=82944),
        dense_key=str(Path(demo.photos) / "dense_key.json"),
        overlays=False,
    )
    assert run["captioned"] >= 0.7 * run["photos"]
    assert run["precision"] >= 0.9
    assert run["desc_accuracy"] >= 0.95
