"""Tests of shard objects: written once, read back, and never taken as good when they are not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from blocks.errors import ObjectMissing
from blocks.local_store import LocalStore
from tasks.records.errors import RecordError
from tasks.records.jsonl import parse
from tasks.records.outcomes import Outcome, ShardIndex
from tasks.records.reasons import Reason
from tasks.records.work import Shard
from tasks.runs.keys import split_index_key
from tasks.runs.shards import Receipt, parse_shard, read_shard, write_shard
from tests.builders import (
    FOLDER,
    MISSION,
    files_under,
    make_bad,
    make_failed,
    make_identity,
    make_item,
    make_photo,
    make_summarised,
)

SHARD = "5" * 64
PHOTOS = [make_photo(str(index)) for index in range(4)]
OUTCOMES = [
    make_summarised(PHOTOS[0]),
    make_summarised(PHOTOS[1], attempts=3, visual_tokens=10),
    make_bad(PHOTOS[2]),
    make_failed(PHOTOS[3]),
]
KEYS = [outcome.work_key for outcome in OUTCOMES]


def put(store: LocalStore, outcomes: Sequence[Outcome] = OUTCOMES, epoch: int = 0, seconds: float = 0.0) -> Receipt:
    """Write a shard of these outcomes."""
    shard = Shard(SHARD, tuple(make_item(photo) for photo in PHOTOS), epoch)
    return write_shard(store, FOLDER, make_identity().digest, shard, outcomes, seconds=seconds)


def test_a_shard_is_read_back_as_it_was_written(store: LocalStore) -> None:
    receipt = put(store, seconds=2.5)
    assert receipt.key == f"stage_a/{MISSION}/shards/{SHARD}.jsonl"
    assert read_shard(store, receipt.key, receipt.sha256) == sorted(OUTCOMES, key=lambda outcome: outcome.work_key)
    assert (receipt.items, receipt.inferred, receipt.bad, receipt.retried) == (4, 3, 2, 2)
    assert (receipt.visual_tokens, receipt.completion_tokens, receipt.seconds) == (22, 27, 2.5)


def test_the_order_of_outcomes_does_not_change_the_bytes(tmp_path: Path) -> None:
    stores = [LocalStore(tmp_path / str(index)) for index in range(2)]
    receipts = [put(store, outcomes) for store, outcomes in zip(stores, (OUTCOMES, OUTCOMES[::-1]), strict=True)]
    assert receipts[0] == receipts[1]
    assert files_under(stores[0]) == files_under(stores[1])


def test_the_index_names_the_work_that_lasts(store: LocalStore) -> None:
    passing = make_failed(PHOTOS[3], Reason.UNREADABLE)
    receipt = put(store, [*OUTCOMES[:3], passing], epoch=2)
    key = f"stage_a/{MISSION}/index/{make_identity().digest[:16]}/000002-{SHARD}.json"
    assert set(files_under(store)) == {receipt.key, key}
    assert split_index_key(key) == (2, 0, key)
    index = parse(ShardIndex, store.read(key)[:-1], key)
    assert (index.shard, index.sha256, index.epoch) == (SHARD, receipt.sha256, 2)
    assert index.work_keys == tuple(sorted(KEYS[:3]))


def test_a_shard_of_nothing_that_lasts_has_no_index(store: LocalStore) -> None:
    receipt = put(store, [make_failed(PHOTOS[0], Reason.CHANGED)])
    assert set(files_under(store)) == {receipt.key}


def test_the_index_is_written_last(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write = store.write
    monkeypatch.setattr(store, "write", lambda key, data: (written.append(key.split("/")[2]), write(key, data)))
    put(store)
    assert written == ["shards", "index"]


@pytest.mark.parametrize("key", ["", "stage_a/m/index/0/000000-x.json", f"stage_a/m/shards/{SHARD}.jsonl"])
def test_other_keys_are_no_index(key: str) -> None:
    assert split_index_key(key) is None


def test_a_shard_that_changed_since_its_receipt_is_refused(store: LocalStore) -> None:
    receipt = put(store)
    store.write(receipt.key, store.read(receipt.key).replace(b"stop", b"halt"))
    with pytest.raises(RecordError, match="was changed since it was written"):
        read_shard(store, receipt.key, receipt.sha256)
    store.delete(receipt.key)
    with pytest.raises(ObjectMissing):
        read_shard(store, receipt.key, receipt.sha256)


def test_a_bad_line_is_named_by_its_number() -> None:
    with pytest.raises(RecordError, match=r"^s\.jsonl, line 1: not JSON"):
        parse_shard(b"no\n", "s.jsonl")
