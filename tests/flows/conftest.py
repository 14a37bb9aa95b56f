"""Fixtures of the flow tests: a small input root cut from the demo's photos. Knows no store."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from blocks.stores import open_store
from configs.parts import EngineConfig, GenerationConfig, ModelConfig
from configs.stores import S3Options
from tasks.runs.keys import split_manifest_uri
from tests.demo import Demo

MISSION = "挡风板安装检查"


@pytest.fixture(scope="session")
def small_root(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five groups of the first demo mission: the resubmitted one twice, an unlabelled one, the one with the truncated
    photo, and the empty one."""
    root = tmp_path_factory.mktemp("photos")
    kept = (
        "审核不通过/QC-20260305-0005",
        "审核通过/QC-20260305-0005",
        "QC-20260310-0011",
        "审核不通过/QC-20260308-0008",
        "QC-20260310-0012",
    )
    for group in kept:
        shutil.copytree(Path(demo.photos) / MISSION / group, root / MISSION / group)
    # S3 keeps no empty folders, so that the group without a photo holds something that is none.
    (root / MISSION / kept[-1] / "说明.txt").write_text("补拍", encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def given(demo: Demo, small_root: Path) -> dict[str, Any]:
    """What runs of the small root have in common."""
    return {
        "mission": MISSION,
        "input_root": str(small_root),
        "model": ModelConfig(base=demo.checkpoint),
        "device": "cpu",
        "generation": GenerationConfig(max_new_tokens=96),
        "engine": EngineConfig(batch_size=8),
    }


def run_files(summary: dict[str, Any], s3: S3Options | None = None) -> dict[str, bytes]:
    """Every file of a published run, by name."""
    root, key = split_manifest_uri(summary["manifest"])
    store = open_store(root, s3)
    folder = key.rpartition("/")[0]
    return {info.key.rpartition("/")[2]: store.read(info.key) for info in store.list(folder + "/")}
