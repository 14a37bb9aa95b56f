"""A run that other processes take part in: the same bytes, and nothing that is done twice."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from configs.errors import ConfigError
from configs.parts import ModelConfig, SpreadConfig
from configs.settings import load
from configs.stage_a import StageAConfig
from flows.dense_caption import dense_caption
from flows.infer_piece import infer_piece
from flows.stage_a import stage_a
from tasks.checkpoints.resolve import resolve
from tasks.engines.open import close_engines
from tasks.records.grammar import GRAMMAR_REVISION
from tasks.records.photos import Photo
from tasks.records.work import WorkItem
from tasks.runs.check import check_run
from tasks.runs.keys import split_manifest_uri
from tasks.runs.pieces import Piece, read_receipts, write_piece
from tasks.summaries.kind import summaries_of
from tests.builders import FOLDER, files_under
from tests.demo import Demo
from tests.flows.conftest import MISSION, run_files
from tests.workers import make_pool, worker


@pytest.fixture(scope="module")
def alone(given: dict[str, Any], prefect_harness: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process publishes."""
    return published(stage_a(**given, store=str(tmp_path_factory.mktemp("alone"))))


def published(summary: dict[str, Any]) -> dict[str, bytes]:
    """Every file of a run that checks out."""
    root, key = split_manifest_uri(summary["manifest"])
    check_run(LocalStore(root), key, summary["sha256"])
    return run_files(summary)


def make_piece(given: dict[str, Any], store: Path, **changes: Any) -> Piece:
    """The photos of one group as a piece."""
    config = load(StageAConfig, {**given, "store": str(store), "shard_photos": 2, **changes})
    resolved = resolve(config.model, config.merge, "cpu")
    kind = summaries_of(config, resolved)
    root = Path(given["input_root"])
    paths = sorted((root / MISSION / "审核通过" / "QC-20260305-0005").glob("*.jpg"))
    photos = [
        Photo(p.name, str(p.relative_to(root)), p.stat().st_size, hashlib.sha256(p.read_bytes()).hexdigest())
        for p in paths
    ]
    items = tuple(WorkItem(kind.identity.work_key(photo.sha256), photo) for photo in photos)
    return Piece(kind.name, config.model_dump(mode="json"), kind.identity, 0, GRAMMAR_REVISION, items)


@pytest.mark.usefixtures("prefect_harness")
def test_a_piece_is_answered_and_tried_again_from_where_it_was(given: dict[str, Any], tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    piece = make_piece(given, tmp_path)
    name = write_piece(store, FOLDER, piece)
    assert infer_piece(str(tmp_path), FOLDER, name) == len(piece.items)
    first = read_receipts(store, FOLDER, name)
    assert sum(receipt.items for receipt in first) == len(piece.items)
    assert all(receipt.seconds > 0 for receipt in first)
    lost = first[-1]
    store.delete(lost.key)  # as if the first try had been killed before its last shard
    infer_piece(str(tmp_path), FOLDER, name)
    again = read_receipts(store, FOLDER, name)
    assert {(receipt.key, receipt.sha256) for receipt in again} == {(receipt.key, receipt.sha256) for receipt in first}
    assert {receipt.key for receipt in again if receipt.seconds > 0} == {lost.key}


@pytest.mark.usefixtures("prefect_harness")
def test_a_machine_that_would_write_other_texts_is_refused(given: dict[str, Any], demo: Demo, tmp_path: Path) -> None:
    piece = make_piece(given, tmp_path)
    other = make_piece({**given, "model": ModelConfig(base=demo.checkpoint, adapters=(demo.adapter,))}, tmp_path)
    name = write_piece(LocalStore(tmp_path), FOLDER, replace(piece, config=other.config))
    with pytest.raises(ConfigError, match="another adapters than the run"):
        infer_piece(str(tmp_path), FOLDER, name)
    name = write_piece(LocalStore(tmp_path), FOLDER, replace(piece, revision=GRAMMAR_REVISION - 1))
    with pytest.raises(ConfigError, match="another grammar than the run"):
        infer_piece(str(tmp_path), FOLDER, name)


@pytest.mark.usefixtures("prefect_harness")
def test_without_a_deployment_or_a_server_one_is_told_so(given: dict[str, Any], tmp_path: Path) -> None:
    spread = SpreadConfig(over="workers", deployment="infer-piece/nobody-made-this")
    with pytest.raises(ConfigError, match=r"spread\.deployment: there is no infer-piece/nobody-made-this"):
        stage_a(**given, store=str(tmp_path), spread=spread)
    assert not list(LocalStore(tmp_path).list(f"stage_a/{MISSION}/pieces/"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_workers_publish_what_one_process_does(
    given: dict[str, Any], alone: dict[str, bytes], prefect_harness: str, tmp_path: Path
) -> None:
    """By the README's own commands: a pool, a deployment, two workers."""
    pool = f"field-{uuid.uuid4().hex[:8]}"
    environment = os.environ | {"PREFECT_API_URL": prefect_harness}
    make_pool(pool, pool, environment)
    spread = SpreadConfig(over="workers", pieces=2, deployment=f"infer-piece/{pool}")
    with worker(pool, environment, tmp_path / "1.log"), worker(pool, environment, tmp_path / "2.log"):
        summary = stage_a(**given, store=str(tmp_path / "store"), shard_photos=3, spread=spread)
    assert published(summary) == alone
    assert not list(LocalStore(tmp_path / "store").list(f"stage_a/{MISSION}/pieces/"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_workers_caption_densely_as_one_process_does(
    demo: Demo, small_root: Path, prefect_harness: str, tmp_path: Path
) -> None:
    """The same deployment: a piece says itself of which kind it is."""
    pool = f"field-{uuid.uuid4().hex[:8]}"
    environment = os.environ | {"PREFECT_API_URL": prefect_harness}
    model = ModelConfig(base=demo.checkpoint, max_pixels=82944)
    told = {"input_root": str(small_root), "name": "夜间", "model": model, "device": "cpu", "overlays": False}
    one = dense_caption(**told, store=str(tmp_path / "one"))
    close_engines()  # the workers need the memory
    make_pool(pool, pool, environment)
    spread = SpreadConfig(over="workers", pieces=2, deployment=f"infer-piece/{pool}")
    with worker(pool, environment, tmp_path / "1.log"), worker(pool, environment, tmp_path / "2.log"):
        two = dense_caption(**told, store=str(tmp_path / "two"), shard_photos=3, spread=spread)
    assert (two["inferred"], two["sha256"]) == (one["inferred"], one["sha256"])
    runs = [files_under(LocalStore(tmp_path / name), "dense/夜间/runs/") for name in ("one", "two")]
    assert runs[0] == runs[1]
    assert not list(LocalStore(tmp_path / "two").list("dense/夜间/pieces/"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_of_ray_publish_what_one_process_does(
    given: dict[str, Any], alone: dict[str, bytes], tmp_path: Path
) -> None:
    spread = SpreadConfig(over="ray", pieces=2)
    summary = stage_a(**given, store=str(tmp_path), shard_photos=3, spread=spread)
    assert published(summary) == alone
    assert not list(LocalStore(tmp_path).list(f"stage_a/{MISSION}/pieces/"))
