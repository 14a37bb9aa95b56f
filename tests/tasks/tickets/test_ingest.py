"""Tests of making tickets of a published run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from tasks.records.errors import ManifestError, OutputError, RecordError
from tasks.records.photos import Group, Label
from tasks.runs.keys import records_name
from tasks.runs.publish import Published
from tasks.tickets.ingest import find_ingested, ingest
from tests.builders import (
    MISSION,
    files_under,
    make_group,
    make_identity,
    make_outcomes,
    publish_groups,
    published_run,
    sha,
)


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


def lines_of(store: LocalStore, key: str, name: str = "tickets.jsonl") -> list[dict[str, Any]]:
    """The lines of a file beside a manifest."""
    return [json.loads(line) for line in store.read(f"{key.rpartition('/')[0]}/{name}").splitlines()]


def work_key(content: str) -> str:
    """The work key of the photo that `content` stands for."""
    return make_identity().work_key(sha(content))


def test_each_group_is_one_ticket(source: LocalStore, published: Published, target: LocalStore) -> None:
    made = ingest(source, published.key, target, published.sha256)
    assert made.tickets == 3
    assert made.key == f"stage_b/{MISSION}/runs/{published.sha256[:16]}/manifest.json"
    assert made.uri == target.uri_of(made.key)
    tickets = lines_of(target, made.key)
    assert [(t["ticket_id"], t["group_id"]) for t in tickets] == [
        ("QC-0001#1", "QC-0001"),
        ("QC-0002#1", "QC-0002"),
        ("QC-0004#1", "QC-0004"),
    ]
    assert lines_of(target, made.key, "labels.jsonl") == [
        {"ticket_id": "QC-0001#1", "label": "通过", "source": "folder", "by": None, "at": None},
        {"ticket_id": "QC-0004#1", "label": "不通过", "source": "folder", "by": None, "at": None},
    ]
    assert lines_of(target, made.key, "unjudged.jsonl") == [{"group_id": "QC-0003", "reason": "photo_rejected"}]
    assert "审核" not in json.dumps(tickets, ensure_ascii=False)
    assert tickets[0]["photos"][0] == {"sha256": sha("QC-0001/1"), "work_key": work_key("QC-0001/1")}
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


def submission(content: str, label: Label | None = None, folder: str = "") -> Group:
    """A submission of the one group QC-1, whose photos `content` tells apart."""
    group = make_group("QC-1", label=label, contents=[f"{content} 1", f"{content} 2"])
    return replace(group, folder=f"{MISSION}/{folder}QC-1") if folder else group


def numbers_of(store: LocalStore, groups: list[Group], target: LocalStore) -> dict[str, str]:
    """The ids of a run's tickets, by the work key of their first photo."""
    published = publish_groups(store, groups, make_outcomes(groups))
    tickets = lines_of(target, ingest(store, published.key, target).key)
    return {ticket["photos"][0]["work_key"]: ticket["ticket_id"] for ticket in tickets}


def test_a_resubmission_is_a_ticket_of_its_own_and_keeps_its_number(source: LocalStore, target: LocalStore) -> None:
    """A label that moves, and another submission that arrives, change no number that was given."""
    first = numbers_of(source, [submission("b"), submission("c", folder="待审核/")], target)
    assert sorted(first.values()) == ["QC-1#1", "QC-1#2"]
    labelled = [submission("b", Label.FAIL), submission("c", Label.PASS)]
    assert numbers_of(source, labelled, target) == first
    more = [
        submission("a"),
        submission("b", Label.PASS),
        submission("c", Label.FAIL),
        submission("d", folder="待审核/"),
    ]
    after = numbers_of(source, more, target)
    assert {key: name for key, name in after.items() if key in first} == first
    assert sorted(after.values()) == ["QC-1#1", "QC-1#2", "QC-1#3", "QC-1#4"]
    assert numbers_of(source, [submission("d", Label.FAIL)], target) == {
        work_key("d 1"): after[work_key("d 1")],
    }


def test_the_same_photos_under_two_labels_are_two_tickets_with_two_labels(
    source: LocalStore, target: LocalStore
) -> None:
    groups = [submission("a", Label.FAIL), submission("a", Label.PASS)]
    made = ingest(source, publish_groups(source, groups, make_outcomes(groups)).key, target)
    tickets = lines_of(target, made.key)
    assert [t["ticket_id"] for t in tickets] == ["QC-1#1", "QC-1#2"]
    assert {**tickets[0], "ticket_id": ""} == {**tickets[1], "ticket_id": ""}
    labels = lines_of(target, made.key, "labels.jsonl")
    assert sorted(label["label"] for label in labels) == ["不通过", "通过"]


def test_tickets_are_the_same_bytes_whatever_the_labels_are(source: LocalStore, tmp_path: Path) -> None:
    """As they are, the other way round, and none at all."""
    found = set()
    for labels in ((Label.PASS, Label.FAIL), (Label.FAIL, Label.PASS), (None, None)):
        target = LocalStore(tmp_path / str(labels))
        groups = [make_group(f"QC-{number}", label=labels[number % 2]) for number in range(9)]
        made = ingest(source, publish_groups(source, groups, make_outcomes(groups)).key, target)
        found.add(target.read(f"{made.key.rpartition('/')[0]}/tickets.jsonl"))
    assert len(found) == 1


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


@pytest.mark.parametrize("name", ["tickets.jsonl", "labels.jsonl", "manifest.json"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: None,
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: (
            data.replace(b"QC-0004", b"QC-0003") if b"QC-0004" in data else data.replace(b"stage_a/", b"stage_b/")
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
