"""Folders that tests of checkpoints change. Knows no test."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Copy = Callable[[str | Path], Path]


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
