"""Tests of judging a checkpoint for who loads all of it, a part of it, or leaves that to a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.engines.folders.admission import check_loadable, check_weights, check_words, refusals
from tasks.records.errors import CheckpointError
from tests.folders import make_small
from tests.tasks.checkpoints.checkpoint_zoo import edit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_small(tmp_path / "folder")


def test_quantised_weights_are_a_servers_affair(folder: Path) -> None:
    edit(folder / "config.json", quantization_config={"quant_method": "fp8"})
    assert refusals(folder, served=True) == []
    (told,) = refusals(folder)
    assert told.startswith("the weights are quantised (fp8), which is not run here; give the full checkpoint and ")
    check_loadable(folder, served=True)
    with pytest.raises(CheckpointError, match=rf"^{folder} cannot be loaded: the weights are quantised"):
        check_loadable(folder)


def test_code_is_nobodys_affair(folder: Path) -> None:
    edit(folder / "config.json", auto_map={})
    for check in (check_loadable, check_weights, check_words, lambda folder: check_loadable(folder, served=True)):
        with pytest.raises(CheckpointError, match="names code of its own"):
            check(folder)


@pytest.mark.parametrize(
    ("lost", "refusing", "content"),
    [
        ("model.safetensors", check_weights, check_words),
        ("tokenizer.json", check_words, check_weights),
        ("chat_template.jinja", check_words, check_weights),
    ],
)
def test_who_loads_a_part_hears_of_that_part(
    folder: Path, lost: str, refusing: Callable[[Path], None], content: Callable[[Path], None]
) -> None:
    (folder / lost).unlink()
    content(folder)
    with pytest.raises(CheckpointError, match=lost):
        refusing(folder)
    with pytest.raises(CheckpointError, match=lost):
        check_loadable(folder)


def test_all_that_is_wrong_is_told_at_once(folder: Path) -> None:
    for name in ("model.safetensors", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        (folder / name).unlink()
    edit(folder / "config.json", transformers_weights="x")
    assert len(refusals(folder)) == 5
    with pytest.raises(CheckpointError, match=r"; 1 more$"):
        check_loadable(folder)
