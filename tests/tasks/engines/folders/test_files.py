"""Tests of finding and reading a checkpoint's small files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.folders.files import as_folder, is_deep, kind_of, read_json, read_text
from tasks.records.errors import CheckpointError
from tests.builders import examples


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


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"\xef\xbb\xbf{}", "begins with a byte order mark; save it as UTF-8 without one"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
            "is a Git LFS pointer and not the file",
        ),
        (b'{"a": ' + b"[" * 64 + b"]" * 64 + b"}", "is nested more than 64 deep"),
        (b'{"a": "' + b"x" * 2**22 + b'"}', r"has \d+ bytes, at most 4194304 are read"),
    ],
)
def test_a_file_that_a_loader_would_stumble_over_is_told_for_what_it_is(
    tmp_path: Path, content: bytes, wanted: str
) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=wanted):
        read_json(tmp_path / "config.json")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(CheckpointError, match="is no plain file"):
        read_json(tmp_path / "config.json")


@examples()
@given(st.lists(st.recursive(st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))))
def test_what_is_made_by_hand_is_not_deep_and_what_is_wrapped_often_is(value: object) -> None:
    assert not is_deep(value)
    for _ in range(65):
        value = {"inner": value} if isinstance(value, list) else [value]
    assert is_deep(value)
