"""Tests of shard objects: written once, found again, and never taken as good when they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.errors import ObjectMissing, StoreUnavailable
from blocks.local_store import LocalStore
from tasks.publishing.shards import find_shard, parse_shard, read_shard, write_shard
from tasks.records.errors import RecordError
from tests.builders import MISSION, make_bad, make_failed, make_photo, make_summarised

SHARD = "5" * 64
PHOTOS = [make_photo(str(index)) for index in range(4)]
OUTCOMES = [
    make_summarised(PHOTOS[0]),
    make_summarised(PHOTOS[1], attempts=3, visual_tokens=10),
    make_bad(PHOTOS[2]),
    make_failed(PHOTOS[3]),
]
KEYS = [outcome.work_key for outcome in OUTCOMES]


def test_a_shard_is_read_back_as_it_was_written(store: LocalStore) -> None:
    receipt = write_shard(store, MISSION, SHARD, OUTCOMES, seconds=2.5)
    assert receipt.key == f"stage_a/{MISSION}/shards/{SHARD}.jsonl"
    assert read_shard(store, receipt) == sorted(OUTCOMES, key=lambda outcome: outcome.work_key)
    assert (receipt.photos, receipt.inferred, receipt.bad, receipt.retried) == (4, 3, 2, 2)
    assert (receipt.visual_tokens, receipt.completion_tokens, receipt.seconds) == (22, 27, 2.5)
    assert not receipt.reused


def test_the_order_of_outcomes_does_not_change_the_bytes(tmp_path: Path) -> None:
    receipts = [
        write_shard(LocalStore(tmp_path / str(index)), MISSION, SHARD, outcomes, seconds=0.0)
        for index, outcomes in enumerate((OUTCOMES, OUTCOMES[::-1]))
    ]
    assert receipts[0] == receipts[1]


def test_a_shard_that_is_there_is_found_and_counts_as_reused(store: LocalStore) -> None:
    written = write_shard(store, MISSION, SHARD, OUTCOMES, seconds=2.5)
    found = find_shard(store, MISSION, SHARD, reversed(KEYS))
    assert found is not None
    assert found.reused
    assert (found.key, found.sha256, found.photos, found.bad) == (written.key, written.sha256, 4, 2)
    assert read_shard(store, found) == read_shard(store, written)


def test_a_shard_is_not_found_where_there_is_none(store: LocalStore) -> None:
    assert find_shard(store, MISSION, SHARD, KEYS) is None
    write_shard(store, MISSION, SHARD, OUTCOMES, seconds=0.0)
    assert find_shard(store, "RRU线缆", SHARD, KEYS) is None
    assert find_shard(store, MISSION, "6" * 64, KEYS) is None


@pytest.mark.parametrize("keys", [KEYS[:3], [*KEYS, "0" * 64], ["0" * 64], []])
def test_a_shard_of_other_work_is_not_found(store: LocalStore, keys: list[str]) -> None:
    write_shard(store, MISSION, SHARD, OUTCOMES, seconds=0.0)
    assert find_shard(store, MISSION, SHARD, keys) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[: data.index(b"\n") + 1],
        lambda data: data + b"\n",
        lambda data: data + b"{}\n",
        lambda data: data.replace(b'"attempts"', b'"attempt"', 1),
        lambda data: b"\xff" + data[1:],
        lambda data: b"[" * 200_000 + b"\n" + data,
    ],
)
def test_a_corrupt_shard_is_taken_as_missing(store: LocalStore, damage: object) -> None:
    receipt = write_shard(store, MISSION, SHARD, OUTCOMES, seconds=0.0)
    store.write(receipt.key, damage(store.read(receipt.key)))  # type: ignore[operator]
    assert find_shard(store, MISSION, SHARD, KEYS) is None
    with pytest.raises(RecordError, match=SHARD):
        read_shard(store, receipt)


def test_a_shard_that_changed_since_its_receipt_is_refused(store: LocalStore) -> None:
    receipt = write_shard(store, MISSION, SHARD, OUTCOMES, seconds=0.0)
    store.write(receipt.key, store.read(receipt.key).replace(b"stop", b"halt"))
    with pytest.raises(RecordError, match="was changed since it was written"):
        read_shard(store, receipt)
    store.delete(receipt.key)
    with pytest.raises(ObjectMissing):
        read_shard(store, receipt)


def test_a_store_that_is_away_is_not_a_missing_shard(tmp_path: Path) -> None:
    class Away(LocalStore):
        """Does not answer."""

        def read(self, key: str) -> bytes:
            """Times out."""
            raise StoreUnavailable("timed out", uri=key)

    with pytest.raises(StoreUnavailable):
        find_shard(Away(tmp_path), MISSION, SHARD, KEYS)


def test_a_bad_line_is_named_by_its_number() -> None:
    with pytest.raises(RecordError, match=r"^s\.jsonl, line 1: not JSON"):
        parse_shard(b"no\n", "s.jsonl")
