"""Stage-A from photos to tickets, on the real checkpoint, a real Prefect server and real stores."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TaskRun
from prefect.states import StateType

from blocks.local_store import LocalStore
from blocks.stores import open_store
from configs.errors import ConfigError
from configs.parts import EngineConfig, GenerationConfig, InputConfig, LadderConfig, ModelConfig, PublishingConfig
from configs.stores import S3Options
from flows.stage_a import stage_a
from tasks.common.progress import Tick, listening
from tasks.engines.open import close_engines
from tasks.engines.protocol import Request, Results
from tasks.engines.transformers import TransformersEngine
from tasks.records.errors import (
    InputError,
    InputRejected,
    ManifestError,
    MissionBusy,
    NothingToDo,
    RecordError,
    TooMuchQuarantined,
)
from tasks.runs.check import check_run
from tasks.runs.keys import latest_key, records_name, split_manifest_uri, stage_a_folder
from tasks.runs.lease import Lease
from tests.demo import Demo
from tests.flows.conftest import MISSION, run_files
from tests.servers import S3Server

pytestmark = pytest.mark.usefixtures("prefect_harness")

KEYS = ["group_id", "mission", "label", "stage_a_complete", "images", "per_image"]


@pytest.fixture(scope="module")
def local_run(given: dict[str, Any], demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One undisturbed run into a local store."""
    store = tmp_path_factory.mktemp("store")
    return stage_a(**given, store=str(store), answer_key=demo.answers)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_published_records_have_the_six_keys_in_order(local_run: dict[str, Any]) -> None:
    folder = Path(local_run["manifest"]).parent
    records = lines(folder / records_name(MISSION))
    assert [list(record) for record in records] == [KEYS] * 3
    assert [(r["group_id"], r["label"]) for r in records] == [
        ("QC-20260305-0005", "审核不通过"),
        ("QC-20260305-0005", "审核通过"),
        ("QC-20260310-0011", None),
    ]
    for record in records:
        assert list(record["per_image"]) == [f"image_{n}" for n in range(1, len(record["images"]) + 1)]


def test_the_summaries_are_those_of_the_answer_key(local_run: dict[str, Any]) -> None:
    assert local_run["answered"] >= 12
    assert local_run["exact_match"] >= 0.9


def test_two_devices_publish_the_same_bytes(
    given: dict[str, Any], local_run: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two engines on the one CPU, shards of three photos."""
    told = {**given, "shard_photos": 3, "devices": ["cpu:0", "cpu:1"]}
    found = stage_a(**{name: value for name, value in told.items() if name != "device"}, store=str(tmp_path))
    assert found["inferred"] == local_run["inferred"]
    assert run_files(found) == run_files(local_run)
    close_engines()


def test_bad_groups_are_in_quarantine_with_typed_reasons(local_run: dict[str, Any]) -> None:
    entries = lines(Path(local_run["manifest"]).parent / "quarantine.jsonl")
    found = [(entry["kind"], entry["group_id"], entry["reason"]) for entry in entries]
    assert found == [
        ("photo", "QC-20260308-0008", "truncated_image"),
        ("group", "QC-20260308-0008", "photo_rejected"),
        ("group", "QC-20260310-0012", "empty_group"),
    ]
    assert local_run["quarantined"] == 2


def test_a_photo_in_two_groups_is_inferred_once(local_run: dict[str, Any]) -> None:
    provenance = lines(Path(local_run["manifest"]).parent / "provenance.jsonl")
    keys = [line["work_key"] for line in provenance]
    assert len(set(keys)) == len(keys) - 3
    # The bad group's two whole photos are inferred too: they will not be again once it is mended.
    assert local_run["inferred"] == len(set(keys)) + 2


def test_stage_b_has_one_ticket_a_group(local_run: dict[str, Any]) -> None:
    folder = Path(local_run["stage_b"]["manifest"]).parent
    tickets = lines(folder / "tickets.jsonl")
    assert len(tickets) == 3
    assert len({ticket["ticket_id"] for ticket in tickets}) == 3
    assert len(lines(folder / "labels.jsonl")) == 2
    assert len(lines(folder / "unjudged.jsonl")) == 2


def test_the_pointer_names_the_run(local_run: dict[str, Any]) -> None:
    root, key = split_manifest_uri(local_run["manifest"])
    latest = json.loads(open_store(root).read(latest_key(MISSION)))
    assert (latest["manifest"], latest["sha256"], latest["sequence"]) == (key, local_run["sha256"], 1)


def test_the_run_again_infers_nothing_and_publishes_nothing(given: dict[str, Any], local_run: dict[str, Any]) -> None:
    root, _ = split_manifest_uri(local_run["manifest"])
    before = {
        path: path.stat().st_mtime_ns for path in Path(root).rglob("*") if "stage_a" in path.parts and path.is_file()
    }
    again = stage_a(**given, store=root)
    assert again["stage_b"] == {
        **{name: local_run["stage_b"][name] for name in ("manifest", "sha256", "tickets")},
        "started": False,
    }
    assert (again["fresh"], again["reused"]) == (False, local_run["inferred"] + 1)
    after = {
        path: path.stat().st_mtime_ns for path in Path(root).rglob("*") if "stage_a" in path.parts and path.is_file()
    }
    assert again["inferred"] == 0
    assert (again["manifest"], again["sha256"]) == (local_run["manifest"], local_run["sha256"])
    assert after == before


@pytest.mark.parametrize("damage", [None, lambda data: data[:-20], lambda data: data.replace(b"BBU", b"BBV")])
def test_damaged_tickets_are_made_again_by_the_same_run(
    given: dict[str, Any], local_run: dict[str, Any], tmp_path: Path, damage: Callable[[bytes], bytes] | None
) -> None:
    root, _ = split_manifest_uri(local_run["manifest"])
    shutil.copytree(root, tmp_path / "store")
    (tickets,) = (tmp_path / "store").rglob("tickets.jsonl")
    whole = tickets.read_bytes()
    if damage is None:
        tickets.unlink()
    else:
        tickets.write_bytes(damage(whole))
    again = stage_a(**given, store=str(tmp_path / "store"))
    assert tickets.read_bytes() == whole
    assert (again["fresh"], again["inferred"], again["stage_b"]["started"]) == (False, 0, True)
    assert again["stage_b"]["sha256"] == local_run["stage_b"]["sha256"]


def test_batch_size_and_shard_size_change_no_byte_and_shards_are_read_without_a_gap(
    given: dict[str, Any], local_run: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate = TransformersEngine.generate
    calls: list[Results] = []

    def counted(self: TransformersEngine, requests: Iterable[Request]) -> Results:
        calls.append(generate(self, requests))
        return calls[-1]

    monkeypatch.setattr(TransformersEngine, "generate", counted)
    changed = {**given, "engine": EngineConfig(batch_size=2, prepare_workers=1), "shard_photos": 4}
    other = stage_a(**changed, store=str(tmp_path))
    assert other["inferred"] == local_run["inferred"]
    assert run_files(other) == run_files(local_run)
    assert len(list(tmp_path.glob("stage_a/*/shards/*.jsonl"))) >= 3
    assert len(calls) == 1


@pytest.mark.parametrize("server", ["moto_server", "rclone_server"])
def test_a_run_on_s3_is_the_local_run_byte_for_byte(
    server: str,
    given: dict[str, Any],
    local_run: dict[str, Any],
    small_root: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s3: S3Server = request.getfixturevalue(server)
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    options = S3Options(endpoint_url=s3.endpoint, region="us-east-1")
    bucket = s3.new_bucket()
    client = s3.client()
    for path in small_root.rglob("*"):
        if path.is_file():
            client.put_object(Bucket=bucket, Key=f"in/{path.relative_to(small_root)}", Body=path.read_bytes())
    remote = {**given, "input_root": f"s3://{bucket}/in", "store": f"s3://{bucket}/out", "s3": options}
    summary = stage_a(**remote)
    assert summary["manifest"].startswith(f"s3://{bucket}/out/stage_a/")
    assert run_files(summary, options) == run_files(local_run)
    root, key = split_manifest_uri(summary["manifest"])
    store = open_store(root, options)
    assert check_run(store, key).sha256 == local_run["sha256"]
    for name, data in run_files(summary, options).items():
        victim = f"{key.rpartition('/')[0]}/{name}"
        store.write(victim, data[:40] + bytes([data[40] ^ 1]) + data[41:])
        with pytest.raises((ManifestError, RecordError), match=name):
            check_run(store, key)
        store.write(victim, data)


def test_base_and_adapter_run_through_the_flow(
    given: dict[str, Any], local_run: dict[str, Any], demo: Demo, tmp_path: Path
) -> None:
    both = ModelConfig(base=demo.checkpoint, adapters=(demo.adapter,))
    adapted = stage_a(**{**given, "model": both}, answer_key=demo.adapter_answers, store=str(tmp_path))
    assert adapted["exact_match"] >= 0.9
    assert adapted["sha256"] != local_run["sha256"]
    manifest = json.loads(Path(adapted["manifest"]).read_text(encoding="utf-8"))
    base = json.loads(Path(local_run["manifest"]).read_text(encoding="utf-8"))
    assert manifest["checkpoint"] == base["checkpoint"]
    assert (len(manifest["adapters"]), len(base["adapters"])) == (1, 0)


def test_a_summary_that_stays_bad_is_quarantined_with_its_text(given: dict[str, Any], tmp_path: Path) -> None:
    """Three tokens cut every answer off: the ladder ends, nothing is published, every line says why."""
    short = {
        **given,
        "generation": GenerationConfig(max_new_tokens=3),
        "ladder": LadderConfig(temperatures=(0.0, 0.5)),
        "publishing": PublishingConfig(max_quarantine_fraction=1.0),
    }
    summary = stage_a(**short, store=str(tmp_path))
    folder = Path(summary["manifest"]).parent
    assert (folder / records_name(MISSION)).read_bytes() == b""
    entries = lines(folder / "quarantine.jsonl")
    bad = [entry for entry in entries if entry["reason"] == "summary_invalid"]
    assert bad
    assert all("cut_off" in entry["violations"] and entry["text"] and "3 attempts" in entry["detail"] for entry in bad)
    assert summary["quarantined"] == summary["groups"]
    assert summary["stage_b"]["tickets"] == 0


def test_a_run_that_loses_too_many_groups_fails_and_leaves_its_quarantine(
    given: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(TooMuchQuarantined, match="2 of 5 groups"):
        stage_a(**given, publishing=PublishingConfig(max_quarantine_fraction=0.1), store=str(tmp_path))
    files = {path.name for path in (tmp_path / "stage_a" / MISSION / "runs").rglob("*") if path.is_file()}
    assert files == {"quarantine.jsonl"}
    assert not (tmp_path / latest_key(MISSION)).exists()
    assert not list(tmp_path.rglob("lock.json"))
    # What was inferred is not lost: with the limit raised, the same run is published without the model.
    assert stage_a(**given, store=str(tmp_path))["inferred"] == 0


def other_photos(demo: Demo) -> list[Path]:
    """Good photos that the small root does not have: those of the other demo mission."""
    return sorted((Path(demo.photos) / "BBU接地线检查" / "审核通过").rglob("*.jpg"))


def mended(small_root: Path, root: Path, whole: Path) -> Path:
    """The same photos, the truncated one replaced by a whole one."""
    shutil.copytree(small_root, root)
    shutil.copy(whole, root / MISSION / "审核不通过" / "QC-20260308-0008" / "IMG_20260308_0825.jpg")
    return root


def test_a_mended_group_is_published_by_a_requeue_and_nothing_else_is_inferred(
    given: dict[str, Any], local_run: dict[str, Any], small_root: Path, demo: Demo, tmp_path: Path
) -> None:
    root, _ = split_manifest_uri(local_run["manifest"])
    for name in ("requeued", "whole"):
        shutil.copytree(root, tmp_path / name)
    photos = str(mended(small_root, tmp_path / "photos", other_photos(demo)[0]))
    folder = local_run["manifest"].replace(root, str(tmp_path / "requeued")).rpartition("/")[0]
    quarantine = f"{folder}/quarantine.jsonl"
    told = {name: value for name, value in given.items() if name not in ("mission", "input_root")}
    requeued = stage_a(**told, requeue=quarantine, input_root=photos)
    assert (requeued["inferred"], requeued["quarantined"], requeued["stage_b"]["started"]) == (1, 1, True)
    records = lines(Path(requeued["manifest"]).parent / records_name(MISSION))
    assert "QC-20260308-0008" in {record["group_id"] for record in records}
    # A whole run over the same photos says the very same.
    whole = stage_a(**{**given, "input_root": photos}, store=str(tmp_path / "whole"))
    assert run_files(whole) == run_files(requeued)
    # Once it is published, that quarantine is history.
    with pytest.raises(InputError, match="not of the mission's newest run"):
        stage_a(**told, requeue=quarantine, input_root=photos)
    newest = f"{requeued['manifest'].rpartition('/')[0]}/quarantine.jsonl"
    changed = {**told, "generation": GenerationConfig(max_new_tokens=95)}
    with pytest.raises(ConfigError, match="another settings"):
        stage_a(**changed, requeue=newest, input_root=photos)


def test_partial_groups_are_published_without_the_bad_photo(given: dict[str, Any], tmp_path: Path) -> None:
    summary = stage_a(**given, publishing=PublishingConfig(partial_groups="publish"), store=str(tmp_path))
    records = lines(Path(summary["manifest"]).parent / records_name(MISSION))
    partial = next(record for record in records if record["group_id"] == "QC-20260308-0008")
    assert (len(partial["images"]), partial["stage_a_complete"]) == (2, False)
    assert "IMG_20260308_0825.jpg" not in partial["images"]
    assert list(partial["per_image"]) == ["image_1", "image_2"]
    root, key = split_manifest_uri(summary["manifest"])
    assert check_run(open_store(root), key).sha256 == summary["sha256"]


def test_a_new_group_costs_its_new_photos_alone(
    given: dict[str, Any], local_run: dict[str, Any], small_root: Path, demo: Demo, tmp_path: Path
) -> None:
    root, _ = split_manifest_uri(local_run["manifest"])
    shutil.copytree(root, tmp_path / "store")
    shutil.copytree(small_root, tmp_path / "photos")
    # Its id sorts first, so that every shard boundary behind it would shift.
    group = tmp_path / "photos" / MISSION / "AA-0001"
    group.mkdir()
    for photo in other_photos(demo)[:2]:
        shutil.copy(photo, group)
    old = next((small_root / MISSION / "QC-20260310-0011").glob("*.jpg"))
    shutil.copy(old, group / "known.jpg")
    summary = stage_a(
        **{**given, "input_root": str(tmp_path / "photos")}, shard_photos=3, store=str(tmp_path / "store")
    )
    assert (summary["inferred"], summary["reused"]) == (2, local_run["inferred"] + 1)
    latest = json.loads((tmp_path / "store" / latest_key(MISSION)).read_text(encoding="utf-8"))
    assert (latest["sequence"], latest["sha256"]) == (2, summary["sha256"])


def test_force_infers_all_anew_and_its_outcomes_count(
    given: dict[str, Any], local_run: dict[str, Any], tmp_path: Path
) -> None:
    root, _ = split_manifest_uri(local_run["manifest"])
    shutil.copytree(root, tmp_path / "store")
    forced = stage_a(**given, force=True, store=str(tmp_path / "store"))
    assert (forced["inferred"], forced["reused"]) == (local_run["inferred"], 0)
    assert (forced["sha256"], forced["fresh"]) == (local_run["sha256"], False)
    # The shards of before are not needed any more.
    indexes = sorted((tmp_path / "store" / "stage_a" / MISSION / "index").rglob("*.json"))
    for index in indexes:
        if index.name.startswith("000000-"):
            (tmp_path / "store" / "stage_a" / MISSION / "shards" / f"{index.stem[7:]}.jsonl").unlink()
    assert stage_a(**given, store=str(tmp_path / "store"))["inferred"] == 0


def test_texts_that_an_older_grammar_took_are_judged_again_and_not_inferred_anew(
    given: dict[str, Any], local_run: dict[str, Any], tmp_path: Path
) -> None:
    root, _ = split_manifest_uri(local_run["manifest"])
    first, *_, second = lines(Path(local_run["manifest"]).parent / "provenance.jsonl")  # of two groups, and of one
    store = tmp_path / "store"
    shutil.copytree(root, store)
    shutil.rmtree(store / "stage_a" / MISSION / "runs")
    once_good = {first["work_key"]: ("BBU\ufffd设备×1", 1), second["work_key"]: ("BBU设备／品牌:华为×1", 4)}
    for index in (store / "stage_a" / MISSION / "index").rglob("*.json"):
        told = json.loads(index.read_bytes())
        shard = store / "stage_a" / MISSION / "shards" / f"{told['shard']}.jsonl"
        outcomes = lines(shard)
        for outcome in outcomes:
            if outcome["work_key"] in once_good:
                outcome["text"], outcome["attempts"] = once_good[outcome["work_key"]]
        data = "".join(json.dumps(o, ensure_ascii=False, separators=(",", ":")) + "\n" for o in outcomes).encode()
        shard.write_bytes(data)
        digest = told["sha256"], hashlib.sha256(data).hexdigest()
        index.write_bytes(index.read_bytes().replace(*(sha256.encode() for sha256 in digest)))

    told = {**given, "store": str(store), "publishing": PublishingConfig(max_quarantine_fraction=1.0)}
    found = stage_a(**told)
    assert (found["inferred"], found["reused"]) == (1, local_run["inferred"])
    folder = Path(found["manifest"]).parent
    published = (folder / records_name(MISSION)).read_text(encoding="utf-8")
    assert not any(text in published for text, _ in once_good.values())
    # The first photo was asked on, greedily as before; the second one had no retry left.
    again = {line["work_key"]: line["attempts"] for line in lines(folder / "provenance.jsonl")}
    quarantined = [line for line in lines(folder / "quarantine.jsonl") if line["reason"] == "summary_invalid"]
    assert second["work_key"] not in again
    assert {line["text"] for line in quarantined} == {"BBU设备／品牌:华为×1"}
    assert {tuple(line["violations"]) for line in quarantined} == {("variant_sign",)}
    assert again[first["work_key"]] == 2
    rerun = stage_a(**told)
    assert (rerun["inferred"], rerun["fresh"], rerun["sha256"]) == (0, False, found["sha256"])


def test_changed_settings_infer_anew_and_changed_speed_does_not(
    given: dict[str, Any], local_run: dict[str, Any], tmp_path: Path
) -> None:
    root, _ = split_manifest_uri(local_run["manifest"])
    shutil.copytree(root, tmp_path / "store")
    speed = {**given, "engine": EngineConfig(batch_size=3, prefetch=1), "shard_photos": 2}
    assert stage_a(**speed, store=str(tmp_path / "store"))["inferred"] == 0
    text = {**given, "generation": GenerationConfig(max_new_tokens=95)}
    assert stage_a(**text, store=str(tmp_path / "store"))["inferred"] == local_run["inferred"]


def test_a_mission_that_another_run_holds_is_busy(given: dict[str, Any], tmp_path: Path) -> None:
    busy = {**given, "publishing": PublishingConfig(wait_seconds=0)}
    with (
        Lease(LocalStore(tmp_path), stage_a_folder(MISSION), of="the mission", run="the night's run", wait_seconds=0),
        pytest.raises(MissionBusy, match="the night's run"),
    ):
        stage_a(**busy, store=str(tmp_path))
    assert not list(tmp_path.rglob("manifest.json"))


def test_no_mission_reads_any_folder_without_a_focus(given: dict[str, Any], small_root: Path, tmp_path: Path) -> None:
    shutil.copytree(small_root / MISSION / "QC-20260310-0011", tmp_path / "in" / "随便看看" / "QC-20260310-0011")
    changed = {**given, "mission": "随便看看", "no_mission": True, "input_root": str(tmp_path / "in")}
    summary = stage_a(**changed, store=str(tmp_path / "out"))
    assert (summary["groups"], summary["quarantined"]) == (1, 0)
    assert json.loads(Path(summary["manifest"]).read_text(encoding="utf-8"))["no_mission"] is True


def test_a_strict_run_fails_on_a_rejected_group(given: dict[str, Any], small_root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="QC-20260310-0012: empty_group"):
        stage_a(**given, inputs=InputConfig(strict=True), store=str(tmp_path))
    assert not list(tmp_path.rglob("manifest.json"))


def test_a_mission_without_groups_fails(given: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "in" / MISSION).mkdir(parents=True)
    with pytest.raises(NothingToDo, match="no group"):
        stage_a(**{**given, "input_root": str(tmp_path / "in")}, store=str(tmp_path / "out"))


def test_wrong_parameters_are_refused_together_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        stage_a(mission="挡风板安装检", input_root="nowhere", store=str(tmp_path), model={"base": "nowhere"})
    assert [fault.where for fault in caught.value.faults] == ["mission", "input_root", "model.base"]


def test_progress_is_heard_for_every_photo(given: dict[str, Any], tmp_path: Path) -> None:
    heard: list[Tick] = []
    with listening(heard.append):
        summary = stage_a(**given, shard_photos=5, store=str(tmp_path))
    every = summary["inferred"] + 1  # the truncated photo is done too, though no model sees it
    assert [tick.done for tick in heard] == list(range(1, every + 1))
    assert {tick.total for tick in heard} == {every}


def test_the_ui_has_a_graph_and_readable_artifacts(given: dict[str, Any], tmp_path: Path) -> None:
    state = stage_a(**given, store=str(tmp_path), return_state=True)
    assert state.type is StateType.COMPLETED

    this_run = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))

    async def look() -> tuple[list[TaskRun], dict[str | None, Any]]:
        async with get_client() as client:
            runs = await client.read_task_runs(flow_run_filter=this_run)
            artifacts = await client.read_artifacts(flow_run_filter=this_run)
            return runs, {artifact.key: artifact.data for artifact in artifacts}

    runs, artifacts = asyncio.run(look())
    by_task = {run.name.split("-")[0]: run for run in runs}
    assert "gpu" in by_task["infer"].tags
    assert by_task["plan"].task_inputs["after"], "the plan depends on the verified inputs in the run graph"
    assert r"QC\-20260310\-0011" in artifacts["stage-a-air-baffle"]
    table = json.loads(artifacts["stage-a-air-baffle-quarantine"])
    assert {row["reason"] for row in table} == {"truncated_image", "photo_rejected", "empty_group"}
