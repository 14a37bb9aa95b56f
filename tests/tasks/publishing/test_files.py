"""Tests of files on their way into a run."""

from __future__ import annotations

import hashlib
from pathlib import Path

from blocks.local_store import LocalStore
from tasks.publishing.files import JsonlWriter
from tasks.records.jsonl import to_line
from tests.builders import make_photo, make_summarised


def test_digest_size_and_count_are_those_of_what_is_uploaded(tmp_path: Path, store: LocalStore) -> None:
    records = [make_summarised(make_photo(str(index))) for index in range(5)]
    writer = JsonlWriter(tmp_path, "a.jsonl")
    writer.write(records[:2])
    writer.write([])
    writer.write(iter(records[2:]))
    file = writer.close()
    file.upload(store, "run")
    data = store.read("run/a.jsonl")
    assert data == b"".join(to_line(record) for record in records)
    assert file.entry.model_dump() == {
        "name": "a.jsonl",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "records": 5,
    }


def test_a_file_without_records_is_an_empty_object(tmp_path: Path, store: LocalStore) -> None:
    file = JsonlWriter(tmp_path, "a.jsonl").close()
    file.upload(store, "run")
    assert store.read("run/a.jsonl") == b""
    assert (file.entry.size, file.entry.records) == (0, 0)
