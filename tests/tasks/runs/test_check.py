"""Tests of checking a run: whatever was changed is found, and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import ObjectMissing
from blocks.local_store import LocalStore
from flows.commands.checks import check_any
from tasks.records.base import FileEntry
from tasks.records.errors import FieldcheckError, ManifestError, OutputError, RecordError
from tasks.records.jsonl import to_line
from tasks.records.sealed import sealed
from tasks.records.stage_a import RunManifest
from tasks.records.stage_b import StageBManifest
from tasks.runs.check import check_run, read_manifest, read_records
from tasks.runs.keys import PROVENANCE, QUARANTINE, TICKETS, latest_key, records_name
from tasks.runs.manifest import derive_run_id
from tasks.runs.pointer import point_to
from tasks.runs.publish import Published
from tasks.tickets.ingest import ingest
from tests.builders import MISSION, examples, files_under, published_run

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
        check_any(store, manifest)
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
    checked = check_any(store, made.key, made.sha256)
    assert (checked.stage, checked.objects, checked.records) == ("stage_b", 4, 6)
    tickets = f"{made.key.rpartition('/')[0]}/{TICKETS}"
    good = store.read(tickets)
    for offset in range(0, len(good), 37):
        changed = bytearray(good)
        changed[offset] ^= 1
        Path(store.uri_of(tickets)).write_bytes(changed)
        assert_named(store, made.key, tickets)
    store.write(tickets, good)
    own = StageBManifest.model_validate_json(store.read(made.key))
    store.write(made.key, to_line(sealed(own.model_copy(update={"tickets": 4}))))
    with pytest.raises(ManifestError, match=r"counts \(4, 1\) tickets and unjudged groups; there are \(3, 1\)"):
        check_any(store, made.key)


def everything(root: Path) -> tuple[LocalStore, dict[str, list[str]]]:
    """A store with a run and its tickets: each manifest, and the keys of all that it vouches for, itself too."""
    store = LocalStore(root)
    published = published_run(store)
    made = ingest(store, published.key, store)
    of = {key: [f"{key.rpartition('/')[0]}/"] for key in (published.key, made.key)}
    return store, {key: [info.key for info in store.list(folder)] for key, (folder,) in of.items()}


@given(data=st.data())
@examples(150)
def test_no_changed_byte_of_any_published_file_is_overlooked(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    store, vouched = everything(tmp_path_factory.mktemp("flip"))
    manifest = data.draw(st.sampled_from(sorted(vouched)))
    path = Path(store.uri_of(data.draw(st.sampled_from(sorted(vouched[manifest])))))
    changed = bytearray(path.read_bytes())
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed)
    with pytest.raises(FieldcheckError):
        check_any(store, manifest)


@pytest.mark.parametrize("flip", [0x01, 0x20])
def test_every_byte_of_both_manifests_is_covered(tmp_path: Path, flip: int) -> None:
    store, vouched = everything(tmp_path)
    for manifest in vouched:
        path = Path(store.uri_of(manifest))
        good = path.read_bytes()
        for offset in range(len(good)):
            path.write_bytes(good[:offset] + bytes([good[offset] ^ flip]) + good[offset + 1 :])
            with pytest.raises(FieldcheckError):
                check_any(store, manifest)
        path.write_bytes(good)
        check_any(store, manifest)


def test_what_no_release_writes_is_refused(store: LocalStore, published: Published) -> None:
    """A key too many, and a file that the manifest lists and nobody reads."""
    made = ingest(store, published.key, store)
    good = store.read(made.key)
    for manifest in (published.key, made.key):
        value = json.loads(store.read(manifest))
        for odd in ({"note": "x"}, {"files": [{**value["files"][0], "note": "x"}, *value["files"][1:]]}):
            store.write(manifest, (json.dumps({**value, **odd}, ensure_ascii=False) + "\n").encode())
            with pytest.raises(RecordError, match="note"):
                check_any(store, manifest)
    extra = FileEntry(name="notes.txt", sha256="0" * 64, size=1, records=1)
    own = StageBManifest.model_validate_json(good)
    store.write(made.key, to_line(sealed(own.model_copy(update={"files": (*own.files, extra)}))))
    with pytest.raises(ManifestError, match=r"unjudged\.jsonl, notes\.txt; a run has tickets\.jsonl"):
        check_any(store, made.key)
    store.write(published.key, to_line(published.manifest))
    with pytest.raises(ManifestError, match=r"notes\.txt; a run has"):
        check_run(store, rewrite(store, published, lambda value: value["files"].append(extra.model_dump(mode="json"))))


@pytest.mark.parametrize("name", ["groups", "photos", "photos_quarantined"])
def test_counts_that_do_not_add_up_are_refused(store: LocalStore, published: Published, name: str) -> None:
    with pytest.raises(ManifestError, match="do not add up"):
        check_run(store, rewrite(store, published, lambda value: value["counts"].update({name: 99})))


def test_tickets_of_an_earlier_release_say_what_to_do(store: LocalStore, published: Published) -> None:
    made = ingest(store, published.key, store)
    value = json.loads(store.read(made.key))
    del value["self_sha256"]
    store.write(made.key, (json.dumps({**value, "schema_version": 1}, ensure_ascii=False) + "\n").encode())
    with pytest.raises(RecordError, match="run stage-b on their source again"):
        check_any(store, made.key)


def test_a_pointer_that_names_the_run_with_another_digest_is_told(store: LocalStore, published: Published) -> None:
    point_to(store, published, None)
    check_run(store, published.key)
    good = store.read(latest_key(MISSION))
    store.write(latest_key(MISSION), good.replace(published.sha256.encode(), b"0" * 64))
    with pytest.raises(ManifestError, match=r"latest\.json was changed: it names this run with sha256 0{64}"):
        check_run(store, published.key)
    for other in (b"{", good.replace(published.manifest.run_id.encode(), b"0" * 16)):
        store.write(latest_key(MISSION), other)
        check_run(store, published.key)
