"""Folders that tests of checkpoints change, and one real merge that they share."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from configs.parts import MergeConfig, ModelConfig
from tasks.checkpoints.merge import Merged, merge
from tests.demo import Demo

Copy = Callable[[str | Path], Path]


@dataclass(frozen=True)
class Merging:
    """A merge that was made: what was asked, what was said, and what came of it."""

    model: ModelConfig
    config: MergeConfig
    merged: Merged
    lines: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The merged checkpoint."""
        return Path(self.merged.path)


@pytest.fixture(scope="session")
def merging(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Merging:
    """The demo's adapter, merged by ms-swift and compared on four of the demo's photos."""
    model = ModelConfig(base=demo.checkpoint, adapters=(demo.adapter,))
    config = MergeConfig(root=str(tmp_path_factory.mktemp("merged")), probes=4, probe_photos=demo.photos)
    lines: list[str] = []
    merged = merge(model, config, "cpu", lines.append)
    return Merging(model, config, merged, tuple(lines))


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Copies a folder, weights by link, so that a test can change its small files."""

    def copied(folder: str | Path) -> Path:
        target = tmp_path / f"copy-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(folder, target, copy_function=link_weights)
        return target

    return copied


def link_weights(source: str, target: str) -> None:
    """Copy a file; of weights, only the name."""
    if source.endswith(".safetensors"):
        os.link(source, target)
    else:
        shutil.copyfile(source, target)


def change(path: Path, **changed: Any) -> None:
    """Set keys of a JSON file; `key__inner` is the key of an object inside."""
    content = json.loads(path.read_text(encoding="utf-8"))
    for name, value in changed.items():
        *outer, last = name.split("__")
        part = content
        for key in outer:
            part = part[key]
        part[last] = value
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
