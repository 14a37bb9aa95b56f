"""Tests of the epoch that a forced run keeps until it has ended."""

from __future__ import annotations

import pytest

from blocks.local_store import LocalStore
from tasks.ledger.ledger import Ledger
from tasks.runs.forced import begin_forced, end_forced
from tasks.runs.keys import forced_key
from tasks.runs.reuse import reuse
from tasks.runs.shards import write_shard
from tests.builders import FOLDER, make_identity, make_item, make_photo, make_shard, make_summaries, make_summarised

IDENTITY = make_identity().digest


def put(store: LocalStore, contents: str, epoch: int) -> None:
    """Write a shard of photos with these contents."""
    photos = [make_photo(content) for content in contents]
    shard = make_shard([make_item(photo) for photo in photos], epoch)
    write_shard(store, FOLDER, IDENTITY, shard, [make_summarised(photo) for photo in photos], seconds=0.0)


def known(store: LocalStore, epoch: int | None) -> int:
    """How many of the photos a, b and c a run takes over from shards of an epoch."""
    with Ledger() as ledger:
        for content in "abc":
            ledger.works.add(make_item(make_photo(content)))
        return reuse(store, FOLDER, IDENTITY, ledger.works, make_summaries().take_over, epoch=epoch).items


def test_a_forced_run_has_the_same_epoch_until_it_has_ended(store: LocalStore) -> None:
    put(store, "abc", 0)
    first = begin_forced(store, FOLDER, IDENTITY)
    assert (first.epoch, first.again, known(store, first.epoch)) == (1, False, 0)
    put(store, "ab", 1)
    second = begin_forced(store, FOLDER, IDENTITY)
    assert (second.epoch, second.again, known(store, second.epoch)) == (1, True, 2)
    assert first.uri == second.uri == store.uri_of(forced_key(FOLDER, IDENTITY))
    end_forced(store, FOLDER, IDENTITY)
    third = begin_forced(store, FOLDER, IDENTITY)
    assert (third.epoch, third.again, known(store, third.epoch)) == (2, False, 0)
    assert known(store, None) == 3


def test_a_run_that_was_killed_before_its_first_shard_goes_on_too(store: LocalStore) -> None:
    begin_forced(store, FOLDER, IDENTITY)
    assert begin_forced(store, FOLDER, IDENTITY).epoch == 1


def test_other_texts_are_another_forced_run(store: LocalStore) -> None:
    put(store, "a", 4)
    assert begin_forced(store, FOLDER, IDENTITY).epoch == 5
    other = make_identity(checkpoint="0" * 64).digest
    assert begin_forced(store, FOLDER, other).epoch == 1
    end_forced(store, FOLDER, other)
    assert begin_forced(store, FOLDER, IDENTITY).again


@pytest.mark.parametrize("note", [b"", b"{}\n", b"\xff", b'{"identity": "', b"[" * 100_000])
def test_a_note_that_is_damaged_begins_anew_and_is_mended(store: LocalStore, note: bytes) -> None:
    put(store, "ab", 3)
    store.write(forced_key(FOLDER, IDENTITY), note)
    assert begin_forced(store, FOLDER, IDENTITY).epoch == 4
    assert begin_forced(store, FOLDER, IDENTITY).again


def test_a_note_that_was_brought_back_after_its_run_had_ended_is_no_run(store: LocalStore) -> None:
    """As a restored backup may."""
    begin_forced(store, FOLDER, IDENTITY)
    put(store, "a", 7)
    fresh = begin_forced(store, FOLDER, IDENTITY)
    assert (fresh.epoch, fresh.again) == (8, False)


def test_ending_twice_is_ending(store: LocalStore) -> None:
    end_forced(store, FOLDER, IDENTITY)
    end_forced(store, FOLDER, IDENTITY)
