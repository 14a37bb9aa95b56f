"""Tests of checking a run: whatever was changed is found, and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import ObjectMissing
from blocks.local_store import LocalStore
from tasks.publishing.check import check_run, read_manifest, read_records
from tasks.publishing.keys import PROVENANCE, QUARANTINE, TICKETS, records_name
from tasks.publishing.publish import Published, derive_run_id
from tasks.records.errors import ManifestError, OutputError, RecordError
from tasks.records.jsonl import to_line
from tasks.records.stage_a import RunManifest
from tasks.verdicts.ingest import ingest
from tests.builders import MISSION, files_under, published_run

RECORDS = records_name(MISSION)


@pytest.fixture
def published(store: LocalStore) -> Published:
    """A run in the store."""
    return published_run(store)


def folder_of(published: Published) -> str:
    """The run's prefix."""
    return published.key.rpartition("/")[0]


def test_a_good_run_checks_out(store: LocalStore, published: Published) -> None:
    checked = check_run(store, published.key, published.sha256)
    files = files_under(store)
    assert (checked.stage, checked.sha256, checked.manifest) == ("stage_a", published.sha256, published.manifest)
    assert (checked.objects, checked.records) == (4, 3 + 4 + 2)
    assert checked.bytes == sum(len(data) for key, data in files.items() if key != published.key)
    assert check_run(store, published.key) == checked


def test_records_are_read_with_their_line_numbers(store: LocalStore, published: Published) -> None:
    lines = list(read_records(store, published.key, published.manifest))
    assert [(number, record.group_id) for number, record in lines] == [(1, "QC-0001"), (2, "QC-0002"), (3, "QC-0004")]


def assert_named(store: LocalStore, manifest: str, changed: str) -> None:
    """The check fails, and its message names the object that was changed."""
    with pytest.raises(OutputError) as caught:
        check_run(store, manifest)
    assert store.uri_of(changed) in str(caught.value), str(caught.value)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
@pytest.mark.parametrize("name", [RECORDS, PROVENANCE, QUARANTINE, "manifest.json"])
def test_one_changed_byte_anywhere_is_found_and_its_object_named(
    store: LocalStore, published: Published, name: str, flip: int
) -> None:
    path = Path(store.uri_of(f"{folder_of(published)}/{name}"))
    good = path.read_bytes()
    step = max(1, len(good) // 60)
    for offset in {0, 1, *range(2, len(good), step), len(good) - 2, len(good) - 1}:
        changed = bytearray(good)
        changed[offset] ^= flip
        path.write_bytes(changed)
        assert_named(store, published.key, f"{folder_of(published)}/{name}")
    path.write_bytes(good)
    check_run(store, published.key, published.sha256)


@pytest.mark.parametrize("name", [RECORDS, PROVENANCE, QUARANTINE])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[: data.index(b"\n") + 1],
        lambda data: data + data.splitlines(keepends=True)[-1],
        lambda data: b"".join(reversed(data.splitlines(keepends=True))),
        lambda data: data.replace(b", ", b",  ", 1),
        lambda data: b"\n" + data,
    ],
    ids=["empty", "cut", "one-line", "line-twice", "reversed", "spacing", "blank-line"],
)
def test_other_damage_is_found_and_its_object_named(
    store: LocalStore, published: Published, name: str, damage: Callable[[bytes], bytes]
) -> None:
    key = f"{folder_of(published)}/{name}"
    store.write(key, damage(store.read(key)))
    assert_named(store, published.key, key)


@pytest.mark.parametrize("name", [RECORDS, PROVENANCE, QUARANTINE])
def test_a_missing_file_is_named(store: LocalStore, published: Published, name: str) -> None:
    store.delete(f"{folder_of(published)}/{name}")
    assert_named(store, published.key, f"{folder_of(published)}/{name}")


def test_a_manifest_that_is_not_there_is_missing(store: LocalStore) -> None:
    with pytest.raises(ObjectMissing):
        check_run(store, f"stage_a/{MISSION}/runs/0000/manifest.json")


def test_another_manifest_than_expected_is_refused(store: LocalStore, published: Published) -> None:
    with pytest.raises(ManifestError, match=f"has sha256 {published.sha256}, expected {'0' * 64}"):
        check_run(store, published.key, "0" * 64)


@pytest.mark.parametrize(
    "place", [f"stage_a/RRU线缆/runs/{{}}/{'manifest.json'}", f"stage_a/{MISSION}/runs/ff/manifest.json"]
)
def test_a_manifest_in_another_place_does_not_belong_there(store: LocalStore, published: Published, place: str) -> None:
    key = place.format(published.manifest.run_id)
    store.write(key, store.read(published.key))
    with pytest.raises(ManifestError, match="does not belong there"):
        check_run(store, key)


def rewrite(store: LocalStore, published: Published, change: Callable[[dict[str, Any]], None]) -> str:
    """A manifest that was changed by somebody who knows how run ids are made; its key."""
    value = published.manifest.model_dump(mode="json")
    change(value)
    manifest = RunManifest.model_validate(value)
    manifest = manifest.model_copy(update={"run_id": derive_run_id(manifest)})
    key = f"stage_a/{manifest.mission}/runs/{manifest.run_id}/manifest.json"
    for name in (RECORDS, PROVENANCE, QUARANTINE):
        data = store.read(f"{folder_of(published)}/{name}")
        store.write(f"stage_a/{manifest.mission}/runs/{manifest.run_id}/{name}", data)
    store.write(key, to_line(manifest))
    return key


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda value: value["counts"].update(groups_published=9), "counts"),
        (lambda value: value["counts"].update(photos_published=9), "counts"),
        (lambda value: value["counts"].update(groups_quarantined=9), "counts"),
        (lambda value: value["files"].pop(0), f"does not list {RECORDS}"),
        (lambda value: value["files"].pop(1), f"does not list {PROVENANCE}"),
        (lambda value: value["files"].pop(2), f"does not list {QUARANTINE}"),
        (lambda value: value["files"][0].update(records=2), RECORDS),
        (lambda value: value["files"][1].update(size=2), PROVENANCE),
        (lambda value: value["files"][2].update(sha256="0" * 64), QUARANTINE),
    ],
)
def test_a_manifest_that_says_other_than_its_files_is_refused(
    store: LocalStore, published: Published, change: Callable[[dict[str, Any]], None], what: str
) -> None:
    with pytest.raises(ManifestError, match=what):
        check_run(store, rewrite(store, published, change))


@pytest.mark.parametrize("odd", ["NaN", "1e999", '"\\ud800"', "-Infinity"])
def test_a_manifest_with_what_canonical_json_cannot_say_is_refused(
    store: LocalStore, published: Published, odd: str
) -> None:
    data = store.read(published.key).decode()
    assert '"grammar": 1' in data
    store.write(published.key, data.replace('"grammar": 1', f'"grammar": {odd}').encode())
    assert_named(store, published.key, published.key)


@pytest.mark.parametrize("data", [b"", b"{}\n", b"[]\n", b"\xff\n", b"[" * 100_000])
def test_what_is_no_manifest_is_named(store: LocalStore, published: Published, data: bytes) -> None:
    store.write(published.key, data)
    with pytest.raises(RecordError) as caught:
        read_manifest(store, published.key)
    assert published.uri in str(caught.value)


def test_tickets_are_checked_too(store: LocalStore, published: Published) -> None:
    made = ingest(store, published.key, store)
    checked = check_run(store, made.key, made.sha256)
    assert (checked.stage, checked.objects, checked.records) == ("stage_b", 2, 3)
    tickets = f"{made.key.rpartition('/')[0]}/{TICKETS}"
    good = store.read(tickets)
    for offset in range(0, len(good), 37):
        changed = bytearray(good)
        changed[offset] ^= 1
        Path(store.uri_of(tickets)).write_bytes(changed)
        assert_named(store, made.key, tickets)
    store.write(tickets, good)
    value = json.loads(store.read(made.key))
    value["tickets"] = 4
    store.write(made.key, (json.dumps(value, ensure_ascii=False) + "\n").encode())
    with pytest.raises(ManifestError, match="counts 4 tickets, there are 3"):
        check_run(store, made.key)
