"""Tests of taking over what earlier runs know: every photo once, nothing damaged, nothing of another identity."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import StoreUnavailable
from blocks.local_store import LocalStore
from blocks.store import ObjectInfo
from tasks.ledger.ledger import Ledger
from tasks.records.jsonl import to_line
from tasks.records.outcomes import Answered, Outcome, outdated, parse_outcome
from tasks.records.reasons import Reason
from tasks.runs.keys import index_folder
from tasks.runs.reuse import current_epoch, reuse
from tasks.runs.shards import write_shard
from tests.builders import (
    FOLDER,
    MISSION,
    examples,
    make_failed,
    make_identity,
    make_item,
    make_photo,
    make_shard,
    make_summaries,
    make_summarised,
)

IDENTITY = make_identity().digest
JUDGE = make_summaries().take_over


def put(store: LocalStore, contents: str, text: str = "BBU设备×1", epoch: int = 0, identity: str = IDENTITY) -> str:
    """Write a shard of photos with these contents, all with one text; its key."""
    photos = [make_photo(content) for content in contents]
    return put_outcomes(store, [make_summarised(photo, text) for photo in photos], contents, epoch, identity)


def put_outcomes(
    store: LocalStore, outcomes: Sequence[Outcome], contents: str, epoch: int = 0, identity: str = IDENTITY
) -> str:
    """Write a shard of these outcomes; its key."""
    shard = make_shard([make_item(make_photo(content)) for content in contents], epoch)
    return write_shard(store, FOLDER, identity, shard, outcomes, seconds=0.0).key


def taken(store: LocalStore, contents: str) -> tuple[dict[str, str], int, tuple[str, ...]]:
    """What a run of photos with these contents takes over: content to text, shards used, and damaged ones."""
    photos = {content: make_photo(content) for content in contents}
    with Ledger() as ledger:
        for photo in photos.values():
            ledger.works.add(make_item(photo))
        reused = reuse(store, FOLDER, IDENTITY, ledger.works, JUDGE)
        texts = {}
        for content, photo in photos.items():
            outcome = ledger.works.outcome(make_item(photo).work_key)
            if outcome is not None:
                texts[content] = outcome.text if isinstance(outcome, Answered) else outcome.reason.value
        assert reused.items == len(texts)
        pending = {item.about.sha256 for item in ledger.works.pending()}
        assert pending == {photo.sha256 for content, photo in photos.items() if content not in texts}
    return texts, reused.shards, reused.damaged


def test_photos_are_taken_over_whatever_shard_they_were_in(store: LocalStore) -> None:
    put(store, "abc")
    put(store, "de")
    assert taken(store, "cdx") == ({"c": "BBU设备×1", "d": "BBU设备×1"}, 2, ())
    assert taken(store, "x") == ({}, 0, ())
    assert taken(store, "") == ({}, 0, ())


def test_an_empty_store_knows_nothing(store: LocalStore) -> None:
    assert taken(store, "ab") == ({}, 0, ())
    assert current_epoch(store, FOLDER, IDENTITY) == 0


def test_another_identity_or_mission_is_not_looked_at(store: LocalStore) -> None:
    put(store, "ab", identity=make_identity(checkpoint="0" * 64).digest)
    assert taken(store, "ab") == ({}, 0, ())
    put(store, "a")
    with Ledger() as ledger:
        ledger.works.add(make_item(make_photo("a")))
        assert reuse(store, "RRU线缆", IDENTITY, ledger.works, JUDGE).items == 0


def test_the_later_epoch_counts(store: LocalStore) -> None:
    put(store, "abc", "BBU设备×1")
    put(store, "bc", "BBU设备×2", epoch=1)
    put(store, "c", "BBU设备×3", epoch=12)
    assert taken(store, "abc")[0] == {"a": "BBU设备×1", "b": "BBU设备×2", "c": "BBU设备×3"}
    assert current_epoch(store, FOLDER, IDENTITY) == 12


@pytest.mark.parametrize("order", ["ab|bc", "bc|ab"])
def test_of_two_shards_of_one_epoch_it_is_always_the_same_that_counts(tmp_path: Path, order: str) -> None:
    store = LocalStore(tmp_path)
    for contents in order.split("|"):
        put(store, contents, f"BBU设备×{len(contents) + ord(contents[0])}")
    undisturbed = LocalStore(tmp_path / "again")
    for contents in ("ab", "bc"):
        put(undisturbed, contents, f"BBU设备×{len(contents) + ord(contents[0])}")
    assert taken(store, "abc") == taken(undisturbed, "abc")


def test_a_photo_that_failed_when_fewer_could_be_read_is_tried_again(store: LocalStore) -> None:
    old = make_failed(make_photo("a")).model_copy(update={"reader": 1})
    put_outcomes(store, [old, make_summarised(make_photo("b"))], "ab")
    assert taken(store, "ab") == ({"b": "BBU设备×1"}, 1, ())
    # What became of it then is in a shard of its own, whichever of the two names is smaller.
    for more in "cdefgh":
        put_outcomes(store, [make_failed(make_photo("a")), make_summarised(make_photo(more))], f"a{more}")
    assert taken(store, "ab")[0] == {"a": "truncated_image", "b": "BBU设备×1"}


def test_a_failure_of_an_older_version_says_no_reader(store: LocalStore) -> None:
    line = to_line(make_failed(make_photo("a"))).replace(b', "reader": 2', b"")
    assert outdated(parse_outcome(line[:-1], "a shard"))


def test_what_passes_is_tried_again_and_what_lasts_is_not(store: LocalStore) -> None:
    outcomes = [
        make_failed(make_photo("a"), Reason.CHANGED),
        make_failed(make_photo("b"), Reason.UNREADABLE),
        make_failed(make_photo("c"), Reason.TRUNCATED_IMAGE),
    ]
    put_outcomes(store, outcomes, "abc")
    assert taken(store, "abc")[0] == {"c": "truncated_image"}


Damage = Callable[[bytes], bytes]

OF_ANY: list[Damage] = [
    lambda data: b"",
    lambda data: data[: len(data) // 2],
    lambda data: b"\xff" + data[1:],
    lambda data: b"[" * 100_000,
]
OF_SHARDS: list[Damage] = [
    lambda data: data[:-1],
    lambda data: data + b"\n",
    lambda data: data.replace("设备".encode(), "设施".encode(), 1),
]


def damaged(store: LocalStore, key: str, damage: Damage) -> None:
    """Spoil an object: photo b is in it, and in an older shard too."""
    store.write(key, damage(store.read(key)))
    texts, _, told = taken(store, "abc")
    assert told == (store.uri_of(key),)
    assert texts == {"b": "BBU设备×1", "c": "BBU设备×1"}


@pytest.mark.parametrize("damage", [*OF_ANY, *OF_SHARDS])
def test_a_damaged_shard_is_said_and_what_it_held_is_taken_from_elsewhere(store: LocalStore, damage: Damage) -> None:
    put(store, "bc")
    damaged(store, put(store, "ab", "BBU设备×2", epoch=1), damage)


@pytest.mark.parametrize("damage", OF_ANY)
def test_a_damaged_index_is_said_and_what_it_named_is_taken_from_elsewhere(store: LocalStore, damage: Damage) -> None:
    put(store, "bc")
    put(store, "ab", "BBU设备×2", epoch=1)
    damaged(store, max(info.key for info in store.list(index_folder(FOLDER, IDENTITY) + "/")), damage)


def test_a_shard_that_is_gone_is_said(store: LocalStore) -> None:
    key = put(store, "ab")
    store.delete(key)
    assert taken(store, "ab") == ({}, 0, (store.uri_of(key),))


def test_a_shard_without_its_index_was_in_flight_and_is_not_known(store: LocalStore) -> None:
    put(store, "ab")
    (index,) = store.list(index_folder(FOLDER, IDENTITY) + "/")
    store.delete(index.key)
    assert taken(store, "ab") == ({}, 0, ())


def test_a_store_that_is_away_is_not_a_store_that_knows_nothing(tmp_path: Path) -> None:
    class Away(LocalStore):
        """Reads nothing."""

        def read(self, key: str) -> bytes:
            """Times out."""
            raise StoreUnavailable("timed out", uri=key)

    store = Away(tmp_path)
    put(store, "a")
    with Ledger() as ledger:
        ledger.works.add(make_item(make_photo("a")))
        with pytest.raises(StoreUnavailable):
            reuse(store, FOLDER, IDENTITY, ledger.works, JUDGE)


def test_only_the_index_of_the_mission_and_identity_is_listed(tmp_path: Path) -> None:
    listed: list[str] = []

    class Watched(LocalStore):
        """Notes what is listed."""

        def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
            """As the store does."""
            listed.append(prefix)
            return super().list(prefix)

    store = Watched(tmp_path)
    put(store, "ab")
    taken(store, "ab")
    assert listed == [f"stage_a/{MISSION}/index/{IDENTITY[:16]}/"]


@examples(25)
@given(st.lists(st.text("abcdefgh", min_size=1, max_size=6), max_size=6), st.text("abcdefghij", max_size=10))
def test_exactly_what_is_known_is_taken_over(shards: list[str], wanted: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(folder)
        for contents in shards:
            put(store, "".join(dict.fromkeys(contents)))
        texts, _, damaged = taken(store, wanted)
    assert set(texts) == set("".join(shards)) & set(wanted)
    assert damaged == ()
