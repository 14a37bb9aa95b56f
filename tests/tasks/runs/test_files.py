"""Tests of files on their way into a run."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pytest

from blocks.errors import StoreFull
from blocks.local_store import LocalStore
from tasks.records.jsonl import to_line
from tasks.runs.files import JsonlWriter
from tests.builders import make_photo, make_summarised


def test_digest_size_and_count_are_those_of_what_is_uploaded(store: LocalStore) -> None:
    records = [make_summarised(make_photo(str(index))) for index in range(5)]
    writer = JsonlWriter("a.jsonl")
    writer.write(records[:2])
    writer.write([])
    writer.write(iter(records[2:]))
    file = writer.close()
    assert file.put(store, "run")
    data = store.read("run/a.jsonl")
    assert data == b"".join(to_line(record) for record in records)
    assert file.entry.model_dump() == {
        "name": "a.jsonl",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "records": 5,
    }


def test_a_file_without_records_is_an_empty_object(store: LocalStore) -> None:
    file = JsonlWriter("a.jsonl").close()
    assert file.put(store, "run")
    assert store.read("run/a.jsonl") == b""
    assert (file.entry.size, file.entry.records) == (0, 0)


def test_a_file_that_is_there_already_is_not_put_again_and_a_damaged_one_is(store: LocalStore) -> None:
    writer = JsonlWriter("a.jsonl")
    writer.write([make_summarised(make_photo("1"))])
    file = writer.close()
    assert [file.put(store, "run"), file.put(store, "run")] == [True, False]
    whole = store.read("run/a.jsonl")
    store.write("run/a.jsonl", whole[:-2] + b"x\n")
    assert file.put(store, "run")
    assert store.read("run/a.jsonl") == whole


def test_nothing_lies_in_the_temporary_folder_while_a_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    writer = JsonlWriter("a.jsonl")
    writer.write([make_summarised(make_photo("1"))])
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: full)
        writer = JsonlWriter("a.jsonl")
        with pytest.raises(StoreFull, match=r"a\.jsonl"):
            writer.write([make_summarised(make_photo("1"))])
