"""Tests of finding and reading a checkpoint's small files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.checkpoints.folder import as_folder, brings_code, kind_of, read_json, read_text
from tasks.records.errors import CheckpointError


def test_a_path_that_is_no_folder_is_refused_with_its_whole_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "Qwen").mkdir()
    assert as_folder("Qwen", "model.base") == tmp_path / "Qwen"
    for name in ("Qwen/Qwen3-VL-4B-Instruct", "file"):
        with pytest.raises(CheckpointError, match=rf"^model.base {tmp_path / name} is no folder.*never asked"):
            as_folder(name, "model.base")


def test_what_a_folder_is_is_told_by_its_config(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"neither config\.json nor adapter_config\.json"):
        kind_of(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert kind_of(tmp_path) == "checkpoint"
    (tmp_path / "adapter_config.json").write_text("{}")
    assert kind_of(tmp_path) == "adapter"


def test_a_file_that_is_not_there_is_none_and_a_bad_one_an_error(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    assert read_json(path) is None
    assert read_text(path / "deeper") is None
    for content, match in ((b"[]", "no JSON object"), (b"{", "is not JSON"), (b'{"a": "\xff"}', "is not UTF-8")):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=match):
            read_json(path)
    path.write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="is not JSON"):
        read_json(path)
    with pytest.raises(CheckpointError, match="cannot be read: Is a directory"):
        read_text(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "processor_config.json"])
def test_code_of_its_own_is_noticed(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert brings_code(tmp_path) is None
    (tmp_path / name).write_text(json.dumps({"auto_map": {"AutoModel": "modeling.Model"}}))
    assert brings_code(tmp_path) == name
