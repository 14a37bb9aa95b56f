"""Tests of the record inside a merged checkpoint."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from tasks.checkpoints.fingerprint import fingerprint
from tasks.checkpoints.marker import MARKER, Parity, Record, is_whole, merge_key, read_record, sizes
from tests.builders import make_checkpoint


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Record]:
    folder = make_checkpoint(tmp_path / "merged")
    record = Record(
        base="b" * 64,
        adapters=("a" * 64,),
        fingerprint=fingerprint(folder),
        dtype="float32",
        files=sizes(folder),
        seconds=1.5,
        parity=Parity(4, 3, 0.75, 0.5, "第一张 from character 2 on"),
        parity_on="cpu, float32",
        versions={"ms-swift": "4.6.0"},
        made_at="2026-01-01T00:00:00+00:00",
    )
    (folder / MARKER).write_text(record.to_json(), encoding="utf-8")
    return folder, record


def test_a_record_comes_back_as_it_was(made: tuple[Path, Record]) -> None:
    folder, record = made
    assert read_record(folder) == record
    assert is_whole(folder, record)
    assert is_whole(folder, record, every_byte=True)


def test_the_record_and_a_readme_do_not_change_the_checkpoint(made: tuple[Path, Record]) -> None:
    folder, record = made
    (folder / "README.md").write_text("notes")
    assert fingerprint(folder) == record.fingerprint
    assert is_whole(folder, record)


@pytest.mark.parametrize("damage", ["lose", "cut", "add"])
def test_a_folder_with_other_files_is_not_whole(made: tuple[Path, Record], damage: str) -> None:
    folder, record = made
    weights = folder / "model.safetensors"
    if damage == "lose":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-1])
    else:
        (folder / "processor_config.json").write_text("{}")
    assert not is_whole(folder, record)


def test_other_bytes_of_the_same_length_are_found_when_every_byte_is_read(made: tuple[Path, Record]) -> None:
    folder, record = made
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    assert is_whole(folder, record)
    assert not is_whole(folder, record, every_byte=True)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 2}', '{"format": 1, "parity": 3}'])
def test_a_record_that_is_none_is_not_there(made: tuple[Path, Record], content: str) -> None:
    folder, _ = made
    (folder / MARKER).write_text(content)
    assert read_record(folder) is None
    assert read_record(folder / "missing") is None


def test_a_record_of_a_later_format_is_not_read(made: tuple[Path, Record]) -> None:
    folder, _ = made
    content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    (folder / MARKER).write_text(json.dumps({**content, "format": 2}))
    assert read_record(folder) is None


def test_the_key_is_of_base_and_adapters_in_their_order() -> None:
    keys = {merge_key("a", ("b", "c")), merge_key("a", ("c", "b")), merge_key("a", ("bc",)), merge_key("b", ("c",))}
    assert len(keys) == 4
    assert all(len(key) == 64 for key in keys)
    assert merge_key("a", ("b",)) == merge_key("a", ("b",))


def test_a_record_says_everything(made: tuple[Path, Record]) -> None:
    content = json.loads(made[1].to_json())
    assert set(content) == {"format", *(field.name for field in dataclasses.fields(Record))}
