"""Tests of making tickets of a published run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from tasks.records.errors import ManifestError, OutputError, RecordError
from tasks.records.photos import Label
from tasks.runs.keys import records_name
from tasks.runs.publish import Published
from tasks.verdicts.ingest import find_ingested, ingest
from tests.builders import MISSION, files_under, make_group, make_outcomes, publish_groups, published_run


@pytest.fixture
def source(tmp_path: Path) -> LocalStore:
    """A store with one published run."""
    return LocalStore(tmp_path / "source")


@pytest.fixture
def published(source: LocalStore) -> Published:
    """The run in the source."""
    return published_run(source)


@pytest.fixture
def target(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path / "target")


def tickets_of(store: LocalStore, key: str) -> list[dict[str, object]]:
    """The lines of tickets.jsonl beside a manifest."""
    data = store.read(f"{key.rpartition('/')[0]}/tickets.jsonl")
    return [json.loads(line) for line in data.splitlines()]


def test_each_group_is_one_ticket(source: LocalStore, published: Published, target: LocalStore) -> None:
    made = ingest(source, published.key, target, published.sha256)
    assert made.tickets == 3
    assert made.key == f"stage_b/{MISSION}/runs/{published.sha256[:16]}/manifest.json"
    assert made.uri == target.uri_of(made.key)
    tickets = tickets_of(target, made.key)
    assert [(t["ticket_id"], t["group_id"], t["label"], t["label_source"], t["line"]) for t in tickets] == [
        ("QC-0001@审核通过#1", "QC-0001", "审核通过", "folder", 1),
        ("QC-0002@unlabelled#2", "QC-0002", None, "none", 2),
        ("QC-0004@审核不通过#3", "QC-0004", "审核不通过", "folder", 3),
    ]
    assert [t["stage_a_complete"] for t in tickets] == [True, False, True]
    assert tickets[0]["images"] == ["img1.jpg", "img2.jpg"]
    assert tickets[0]["summaries"] == {"image_1": "BBU设备×1", "image_2": "BBU设备×2"}
    manifest = json.loads(target.read(made.key))
    assert (manifest["source"], manifest["source_sha256"]) == (published.key, published.sha256)
    assert (manifest["tickets"], manifest["mission"]) == (3, MISSION)


def test_the_same_run_handed_over_again_changes_nothing(
    source: LocalStore, published: Published, target: LocalStore
) -> None:
    first = ingest(source, published.key, target)
    before = files_under(target)
    assert ingest(source, published.key, target, published.sha256) == first
    assert files_under(target) == before


def test_a_resubmission_is_a_ticket_of_its_own(source: LocalStore, target: LocalStore) -> None:
    groups = [make_group("QC-1", label=label) for label in (None, None, Label.FAIL, Label.PASS)]
    groups[1] = replace(groups[1], folder=f"{MISSION}/待审核/QC-1")
    published = publish_groups(source, groups, make_outcomes(groups))
    tickets = tickets_of(target, ingest(source, published.key, target).key)
    assert {t["group_id"] for t in tickets} == {"QC-1"}
    assert len({t["ticket_id"] for t in tickets}) == 4


def test_a_run_without_groups_has_no_tickets(source: LocalStore, target: LocalStore) -> None:
    published = publish_groups(source, [], {})
    assert ingest(source, published.key, target).tickets == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data.replace("BBU设备×2".encode(), "BBU设备×3".encode()),
        lambda data: data[: data.index(b"\n") + 1],
        lambda data: data + data.splitlines(keepends=True)[-1],
        lambda data: data.replace(b"QC-0002", b"QC-0003"),
    ],
    ids=["cut", "another-summary", "lines-gone", "line-twice", "another-group"],
)
def test_a_source_that_was_changed_writes_nothing(
    source: LocalStore, published: Published, target: LocalStore, damage: Callable[[bytes], bytes]
) -> None:
    key = f"{published.key.rpartition('/')[0]}/{records_name(MISSION)}"
    store_data = source.read(key)
    assert damage(store_data) != store_data
    source.write(key, damage(store_data))
    with pytest.raises(OutputError) as caught:
        ingest(source, published.key, target)
    assert source.uri_of(key) in str(caught.value)
    assert files_under(target) == {}


@pytest.mark.parametrize(
    "line", [b"{}", b"", b"\xff", b'{"group_id": "QC-0002"', b'{"group_id": "a", "group_id": "b"}']
)
def test_a_bad_line_is_named_by_its_number(
    source: LocalStore, published: Published, target: LocalStore, line: bytes
) -> None:
    key = f"{published.key.rpartition('/')[0]}/{records_name(MISSION)}"
    lines = source.read(key).split(b"\n")
    lines[1] = line
    source.write(key, b"\n".join(lines))
    with pytest.raises(RecordError, match=rf"{records_name(MISSION)}, line 2: "):
        ingest(source, published.key, target)
    assert files_under(target) == {}


def test_another_manifest_than_was_handed_over_is_refused(
    source: LocalStore, published: Published, target: LocalStore
) -> None:
    with pytest.raises(ManifestError, match="expected"):
        ingest(source, published.key, target, "0" * 64)
    assert files_under(target) == {}


def test_tickets_that_were_made_are_found_and_others_are_not(source: LocalStore, target: LocalStore) -> None:
    published = published_run(source)
    assert find_ingested(target, MISSION, published.sha256) is None
    made = ingest(source, published.key, target)
    assert find_ingested(target, MISSION, published.sha256) == made
    assert find_ingested(target, MISSION, published.sha256[:16] + "0" * 48) is None
    assert find_ingested(target, "RRU线缆", published.sha256) is None
    target.write(made.key, b"{}\n")
    assert find_ingested(target, MISSION, published.sha256) is None


@pytest.mark.parametrize("name", ["tickets.jsonl", "manifest.json"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: None,
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: (
            data.replace(b"QC-0002", b"QC-0003") if b"QC-0002" in data else data.replace(b"stage_a/", b"stage_b/")
        ),
        lambda data: data + data,
    ],
    ids=["gone", "empty", "truncated", "cut", "another-text", "twice"],
)
def test_damaged_tickets_are_no_tickets_and_made_again(
    source: LocalStore, published: Published, target: LocalStore, name: str, damage: Callable[[bytes], bytes | None]
) -> None:
    made = ingest(source, published.key, target)
    whole = files_under(target)
    key = f"{made.key.rpartition('/')[0]}/{name}"
    left = damage(whole[key])
    if left is None:
        target.delete(key)
    else:
        assert left != whole[key]
        target.write(key, left)
    assert find_ingested(target, MISSION, published.sha256) is None
    assert ingest(source, published.key, target) == made
    assert files_under(target) == whole
    assert find_ingested(target, MISSION, published.sha256) == made
