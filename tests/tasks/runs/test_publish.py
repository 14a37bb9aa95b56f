"""Tests of publishing: the same run is the same bytes, and a run that fails half way is not there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from blocks.errors import StoreError, StoreUnavailable
from blocks.local_store import LocalStore
from blocks.store import ObjectInfo
from configs.parts import PublishingConfig
from tasks.records.errors import Superseded, TooMuchQuarantined, Unaccounted
from tasks.records.jsonl import to_line
from tasks.records.photos import Group, Label
from tasks.records.reasons import Reason
from tasks.records.stage_a import QuarantineEntry
from tasks.runs.check import check_run
from tasks.runs.keys import PROVENANCE, QUARANTINE, latest_key, pointer_key, records_name
from tasks.runs.manifest import derive_run_id
from tasks.runs.pointer import current, point_to
from tasks.runs.publish import Published, publish
from tests.builders import (
    MISSION,
    files_under,
    make_group,
    make_ledger,
    make_outcomes,
    make_run,
    publish_groups,
    published_run,
    some_groups,
    some_outcomes,
)

WRITES = 6
"""Three files, the manifest, and the pointer."""


class FailsAt(LocalStore):
    """A store whose n-th write fails, the first being number 1."""

    def __init__(self, root: Path, fails: int) -> None:
        super().__init__(root)
        self.fails, self.writes = fails, 0

    def upload(self, key: str, source: BinaryIO, *, replace: bool = True) -> ObjectInfo:
        """As the store does, until its time has come; `write` comes this way too."""
        self.writes += 1
        if self.writes == self.fails:
            raise StoreUnavailable("the connection was reset", uri=self.uri_of(key))
        return super().upload(key, source, replace=replace)

    def swap(self, key: str, data: bytes, before: bytes | None) -> None:
        """The same."""
        self.writes += 1
        if self.writes == self.fails:
            raise StoreUnavailable("the connection was reset", uri=self.uri_of(key))
        super().swap(key, data, before)


def publish_some(store: LocalStore) -> Published:
    """Publish the usual run and point to it."""
    before = current(store, MISSION)
    published = published_run(store)
    point_to(store, published, before)
    return published


def publish_other(store: LocalStore) -> Published:
    """Publish another run of the same mission and point to it."""
    group = make_group("QC-9", 1)
    before = current(store, MISSION)
    published = publish_groups(store, [group], make_outcomes([group]))
    point_to(store, published, before)
    return published


def lines_of(store: LocalStore, published: Published, name: str) -> list[dict[str, Any]]:
    """The JSON lines of one file of a run."""
    data = store.read(f"{published.key.rpartition('/')[0]}/{name}")
    return [json.loads(line) for line in data.splitlines()]


def test_a_run_has_its_product_its_provenance_its_quarantine_and_a_manifest(store: LocalStore) -> None:
    published = published_run(store)
    folder = f"stage_a/{MISSION}/runs/{published.manifest.run_id}"
    files = files_under(store)
    assert set(files) == {
        f"{folder}/{name}" for name in (f"{MISSION}_stage_a.jsonl", PROVENANCE, QUARANTINE, "manifest.json")
    }
    assert published.fresh
    assert published.key == f"{folder}/manifest.json"
    assert published.uri == store.uri_of(published.key)
    assert files[published.key] == to_line(published.manifest)
    assert published.sha256 == hashlib.sha256(files[published.key]).hexdigest()
    for entry in published.manifest.files:
        data = files[f"{folder}/{entry.name}"]
        assert (entry.sha256, entry.size) == (hashlib.sha256(data).hexdigest(), len(data))
        assert entry.records == data.count(b"\n")


def test_records_have_six_keys_in_order_one_line_a_group(store: LocalStore) -> None:
    published = published_run(store)
    lines = lines_of(store, published, records_name(MISSION))
    keys = ["group_id", "mission", "label", "stage_a_complete", "images", "per_image"]
    assert [list(line) for line in lines] == [keys] * 3
    assert [(line["group_id"], line["label"], line["stage_a_complete"]) for line in lines] == [
        ("QC-0001", "审核通过", True),
        ("QC-0002", None, False),
        ("QC-0004", "审核不通过", True),
    ]
    assert lines[0]["per_image"] == {"image_1": "BBU设备×1", "image_2": "BBU设备×2"}


def test_every_photo_and_group_is_counted(store: LocalStore) -> None:
    rejected = [
        QuarantineEntry(kind=kind, mission=MISSION, group_id="QC-0000", label=None, reason=reason, detail="")
        for kind, reason in (("photo", Reason.EMPTY_FILE), ("group", Reason.PHOTO_REJECTED))
    ]
    groups = some_groups()
    refused = [(make_group("QC-0000", 7, None), rejected)]
    published = publish_groups(store, groups, some_outcomes(groups), refused)
    assert published.manifest.counts.model_dump() == {
        "groups": 5,
        "groups_published": 3,
        "groups_partial": 0,
        "groups_quarantined": 2,
        "photos": 13,
        "photos_published": 4,
        "photos_quarantined": 9,
        "unique_photos": 6,
    }
    quarantine = lines_of(store, published, QUARANTINE)
    assert [(line["group_id"], line["kind"], line["reason"]) for line in quarantine] == [
        ("QC-0000", "photo", "empty_file"),
        ("QC-0000", "group", "photo_rejected"),
        ("QC-0003", "photo", "summary_invalid"),
        ("QC-0003", "group", "photo_rejected"),
    ]
    assert (quarantine[2]["text"], quarantine[2]["violations"]) == ("BBU设备", ["no_count"])


def test_publishing_again_changes_nothing(store: LocalStore) -> None:
    first = published_run(store)
    before = files_under(store)
    again = published_run(store)
    assert (first.fresh, again.fresh) == (True, False)
    assert (again.uri, again.sha256, again.manifest) == (first.uri, first.sha256, first.manifest)
    assert files_under(store) == before


def test_the_same_run_elsewhere_is_the_same_bytes(tmp_path: Path) -> None:
    stores = [LocalStore(tmp_path / name) for name in ("one", "two")]
    for store in stores:
        published_run(store)
    assert files_under(stores[0]) == files_under(stores[1])


def variants() -> list[tuple[Sequence[Group], dict[str, Any]]]:
    """Runs that differ in one thing from the usual one."""
    groups = some_groups()
    return [
        (groups[:3], {}),
        ([*groups[:1], make_group("QC-0002", 1, None, marked=True), *groups[2:]], {}),
        (groups, {"no_mission": True}),
        (groups, {"rejected": [(make_group("QC-9999", 1), [])]}),
    ]


def test_another_run_is_another_place(store: LocalStore) -> None:
    published = [published_run(store)]
    for groups, changes in variants():
        published.append(publish_groups(store, groups, some_outcomes(groups), **changes))
    assert len({run.key for run in published}) == len(variants()) + 1
    assert all(run.fresh for run in published)
    assert all(derive_run_id(run.manifest) == run.manifest.run_id for run in published)


def test_a_resubmission_is_two_lines(store: LocalStore) -> None:
    groups = [make_group("QC-1", label=label, contents="ab") for label in (Label.FAIL, Label.PASS)]
    published = publish_groups(store, groups, make_outcomes(groups))
    lines = lines_of(store, published, records_name(MISSION))
    assert [(line["group_id"], line["label"]) for line in lines] == [("QC-1", "审核不通过"), ("QC-1", "审核通过")]
    assert (published.manifest.counts.photos, published.manifest.counts.unique_photos) == (4, 2)


def test_a_run_without_any_good_group_is_published_with_its_quarantine(store: LocalStore) -> None:
    published = publish_groups(store, [], {})
    assert [entry.records for entry in published.manifest.files] == [0, 0, 0]


def test_a_photo_without_an_outcome_stops_before_anything_is_written(store: LocalStore) -> None:
    groups = some_groups()
    outcomes = dict(some_outcomes(groups))
    outcomes.popitem()
    with pytest.raises(Unaccounted):
        publish_groups(store, groups, outcomes)
    assert files_under(store) == {}


def test_a_run_that_loses_too_many_groups_leaves_its_quarantine_and_nothing_else(store: LocalStore) -> None:
    groups = some_groups()
    config = PublishingConfig(max_quarantine_fraction=0.2)
    with pytest.raises(TooMuchQuarantined, match=r"1 of 4 groups .* fraction of 0\.2") as caught:
        publish_groups(store, groups, some_outcomes(groups), config=config)
    assert set(files_under(store)) == {caught.value.quarantine}
    lines = [json.loads(line) for line in store.read(caught.value.quarantine).splitlines()]
    assert [(line["kind"], line["reason"]) for line in lines] == [
        ("photo", "summary_invalid"),
        ("group", "photo_rejected"),
    ]
    assert store.uri_of(caught.value.quarantine) in str(caught.value)


def test_a_run_that_loses_as_many_groups_as_it_may_is_published(store: LocalStore) -> None:
    groups = some_groups()
    config = PublishingConfig(max_quarantine_fraction=0.25)
    assert publish_groups(store, groups, some_outcomes(groups), config=config).fresh


def test_partial_groups_are_published_without_their_bad_photos(store: LocalStore) -> None:
    groups = some_groups()
    config = PublishingConfig(partial_groups="publish")
    published = publish_groups(store, groups, some_outcomes(groups), config=config)
    record = lines_of(store, published, records_name(MISSION))[2]
    assert (record["group_id"], record["images"], record["stage_a_complete"]) == ("QC-0003", ["img1.jpg"], False)
    assert record["per_image"] == {"image_1": "BBU设备×1"}
    assert [(line["kind"], line["image"]) for line in lines_of(store, published, QUARANTINE)] == [("photo", "img2.jpg")]
    counts = published.manifest.counts
    assert (counts.groups_published, counts.groups_partial, counts.groups_quarantined) == (4, 1, 0)
    assert (counts.photos_published, counts.photos_quarantined) == (5, 1)
    assert check_run(store, published.key).records == 4 + 5 + 1


def test_what_confirms_the_run_is_asked_before_anything_can_be_seen(store: LocalStore) -> None:
    groups = some_groups()

    def confirm() -> None:
        raise Superseded("taken over")

    with make_ledger(groups, some_outcomes(groups).values()) as ledger, pytest.raises(Superseded):
        publish(store, make_run(), ledger, confirm)
    assert files_under(store) == {}


def test_the_manifest_is_the_last_write(tmp_path: Path) -> None:
    store = FailsAt(tmp_path / "store", fails=0)
    published = published_run(store)
    assert store.writes == WRITES - 2
    broken = FailsAt(tmp_path / "broken", fails=WRITES - 2)
    with pytest.raises(StoreError):
        published_run(broken)
    assert set(files_under(store)) - set(files_under(broken)) == {published.key}


@pytest.mark.parametrize("fails", range(1, WRITES + 1))
def test_a_run_that_fails_at_any_write_is_not_there_and_can_be_published_later(tmp_path: Path, fails: int) -> None:
    undisturbed = LocalStore(tmp_path / "undisturbed")
    publish_other(undisturbed)
    publish_some(undisturbed)

    store = LocalStore(tmp_path / "disturbed")
    publish_other(store)
    pointer = store.read(latest_key(MISSION))
    with pytest.raises(StoreUnavailable):
        publish_some(FailsAt(tmp_path / "disturbed", fails))
    manifests = [key for key in files_under(store) if key.endswith("manifest.json")]
    assert len(manifests) == (1 if fails < WRITES - 1 else 2)
    assert store.read(latest_key(MISSION)) == pointer

    publish_some(store)
    wanted, got = files_under(undisturbed), files_under(store)
    for files in (wanted, got):
        for key in (latest_key(MISSION), pointer_key(MISSION, 1), pointer_key(MISSION, 2)):
            files[key] = json.dumps({**json.loads(files[key]), "published_at": "some time"}).encode()
    assert got == wanted


def test_a_manifest_that_was_damaged_is_written_again(store: LocalStore) -> None:
    published = published_run(store)
    good = files_under(store)
    store.write(published.key, b"{}\n")
    assert published_run(store).fresh
    assert files_under(store) == good


@pytest.mark.parametrize("name", [records_name(MISSION), PROVENANCE, QUARANTINE])
def test_a_damaged_file_of_a_run_is_written_again(store: LocalStore, name: str) -> None:
    first = published_run(store)
    whole = files_under(store, "stage_a/")
    key = f"{first.key.rpartition('/')[0]}/{name}"
    data = store.read(key)
    store.write(key, data[:-2] + b"x\n" if data else b"x\n")
    again = published_run(store)
    assert again.fresh
    assert files_under(store, "stage_a/") == whole
