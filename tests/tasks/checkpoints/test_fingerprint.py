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
from tests.demo import Demo
from tests.folders import write, write_zeros


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
        "optimizer.pt",
        "model-00002-of-00002.safetensors",
        "._config.json",
        "._model.safetensors",
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
        with pytest.raises(CheckpointError, match=r"there is no model\.safetensors"):
            fingerprint(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_checkpoint(tmp_path / "one")

    def refuse(path: Path, *args: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CheckpointError, match=r"chat_template\.jinja cannot be read: Permission denied"):
        fingerprint(folder)


def test_of_the_demo_it_is_what_it_always_was(demo: Demo) -> None:
    """Stores are keyed by it: of a checkpoint in one file, and of an adapter, it never changes."""
    assert fingerprint(demo.checkpoint) == "3df514e3a5da6a209a884420d4dd45d1aa066c502cbd3c3b11051a93881df6eb"
    assert fingerprint(demo.adapter) == "dacf69ec4e72cda053a18841de32a05c635682042d54f290e13aa3e7e866d69b"


def sharded(folder: Path, weight_map: dict[str, str]) -> Path:
    """A checkpoint in shards `1.safetensors` and `2.safetensors`, and an index that names what it is told."""
    make_checkpoint(folder)
    (folder / "model.safetensors").unlink()
    for shard in ("1", "2"):
        write_zeros(folder / f"{shard}.safetensors", {"w": (int(shard),)})
    write(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})
    return folder


def test_which_shard_an_index_names_counts_and_one_that_it_does_not_name_does_not(tmp_path: Path) -> None:
    """Both shards lie there all the time: only the index says which one is loaded."""
    one, two = sharded(tmp_path / "one", {"w": "1.safetensors"}), sharded(tmp_path / "two", {"w": "2.safetensors"})
    before = fingerprint(one)
    assert before != fingerprint(two)
    (one / "2.safetensors").write_bytes(b"other")
    assert fingerprint(one) == before
    (one / "1.safetensors").write_bytes(b"other")
    assert fingerprint(one) != before


@pytest.mark.parametrize("shard", ["../one.safetensors", "/one.safetensors", "x/one.safetensors", "pytorch_model.bin"])
def test_an_index_that_leaves_the_folder_has_none(tmp_path: Path, shard: str) -> None:
    folder = sharded(tmp_path / "one", {"w": shard})
    with pytest.raises(CheckpointError, match=r"which is no \*\.safetensors of this folder"):
        fingerprint(folder)


def test_a_pickle_behind_a_dummy_has_none(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "one")
    (folder / "model.safetensors").rename(folder / "dummy.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(CheckpointError, match=r"only dummy\.safetensors, pytorch_model\.bin: never loaded"):
        fingerprint(folder)


def test_links_of_a_hubs_cache_are_what_they_lead_to(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "one")
    before = fingerprint(folder)
    for name in ("model.safetensors", "config.json"):
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
    assert fingerprint(folder) == before
    (tmp_path / "config.json").write_text("{}")
    assert fingerprint(folder) != before
