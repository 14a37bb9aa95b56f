"""Tests of the digest that stands for a checkpoint."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from tasks.checkpoints.fingerprint import fingerprint
from tasks.records.errors import CheckpointError
from tests.builders import make_adapter, make_checkpoint


def test_it_is_the_digest_of_the_files_digests(tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "adapter")
    lines = [f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in sorted(os.listdir(folder))]
    assert fingerprint(folder) == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_a_copy_elsewhere_and_later_is_the_same_checkpoint(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "one")
    copy = tmp_path / "deep" / "two"
    shutil.copytree(folder, copy)
    os.utime(copy / "model.safetensors", (0, 0))
    assert fingerprint(copy) == fingerprint(folder) == fingerprint(str(folder) + "/")


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "README.json",
        "trainer_state.json",
        "model.safetensors.index.json",
        "optimizer.pt",
        "logs/config.json",
        ".gitattributes",
    ],
)
def test_a_file_that_cannot_change_a_text_does_not_count(tmp_path: Path, name: str) -> None:
    folder = make_checkpoint(tmp_path / "one")
    before = fingerprint(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    assert fingerprint(folder) == before


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "model-00002-of-00002.safetensors",
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "preprocessor_config.json",
        "chat_template.jinja",
        "merges.txt",
        "vocab.txt",
    ],
)
def test_a_file_that_can_change_a_text_counts(tmp_path: Path, name: str) -> None:
    folder = make_checkpoint(tmp_path / "one")
    before = fingerprint(folder)
    (folder / name).write_text("changed")
    changed = fingerprint(folder)
    assert changed != before
    (folder / name).write_text("changed again")
    assert fingerprint(folder) not in {before, changed}


def test_the_name_of_a_file_counts(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "one")
    before = fingerprint(folder)
    (folder / "tokenizer.json").rename(folder / "tokenizer_config.json")
    assert fingerprint(folder) != before


def test_a_folder_without_weights_is_no_checkpoint(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "one")
    (folder / "model.safetensors").unlink()
    for path in (folder, tmp_path / "missing", folder / "config.json"):
        with pytest.raises(CheckpointError, match="holds no"):
            fingerprint(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_checkpoint(tmp_path / "one")

    def refuse(path: Path, *args: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read: Permission denied"):
        fingerprint(folder)
