"""Tests of pieces: an order is read as it was written or not at all, and so is its answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blocks.errors import ObjectMissing
from blocks.local_store import LocalStore
from configs.parts import EngineConfig, ModelConfig, SpreadConfig
from configs.stage_a import StageAConfig
from tasks.records.errors import RecordError
from tasks.records.work import Shard
from tasks.runs.keys import piece_order_key, piece_receipts_key
from tasks.runs.pieces import (
    Piece,
    forget_piece,
    read_piece,
    read_receipts,
    write_piece,
    write_receipts,
)
from tasks.runs.shards import Receipt, receipt_of, write_shard
from tests.builders import (
    FOLDER,
    MISSION,
    files_under,
    make_failed,
    make_identity,
    make_item,
    make_photo,
    make_summarised,
)

ITEMS = tuple(make_item(make_photo(str(index))) for index in range(3))
PIECE = Piece(
    "summaries",
    StageAConfig(
        mission=MISSION,
        store="s3://evidence/fc",
        model=ModelConfig(base="/base", adapters=("/one", "/two")),
        engine=EngineConfig(batch_size=3),
        spread=SpreadConfig(over="ray", pieces=7),
        devices=("cuda:0", "cuda:1"),
    ).model_dump(mode="json"),
    make_identity(),
    2,
    1,
    ITEMS,
)
RECEIPT = Receipt("key", "5" * 64, 4, 3, 2, 1, 99, 77, 1.25)


def test_an_order_is_read_as_it_was_written(store: LocalStore) -> None:
    name = write_piece(store, FOLDER, PIECE)
    read = read_piece(store, FOLDER, name)
    assert read == PIECE
    assert read.identity.digest == PIECE.identity.digest
    assert write_piece(store, FOLDER, PIECE) == name
    assert write_piece(store, FOLDER, replace(PIECE, epoch=3)) != name


def test_an_order_that_was_changed_is_refused(store: LocalStore) -> None:
    name = write_piece(store, FOLDER, PIECE)
    key = piece_order_key(FOLDER, name)
    store.write(key, store.read(key).replace(b"cuda:1", b"cuda:2"))
    with pytest.raises(RecordError, match="was changed since"):
        read_piece(store, FOLDER, name)


def test_an_answer_of_another_release_names_the_field(store: LocalStore) -> None:
    store.write(piece_receipts_key(FOLDER, "a"), b'[{"key": "k"}]')
    with pytest.raises(RecordError, match=r"0\.sha256.*another release"):
        read_receipts(store, FOLDER, "a")


def test_nothing_is_left_of_a_piece_that_is_forgotten(store: LocalStore) -> None:
    name = write_piece(store, FOLDER, PIECE)
    with pytest.raises(ObjectMissing):
        read_receipts(store, FOLDER, name)
    write_receipts(store, FOLDER, name, [RECEIPT, replace(RECEIPT, items=1)])
    assert read_receipts(store, FOLDER, name) == [RECEIPT, replace(RECEIPT, items=1)]
    forget_piece(store, FOLDER, name)
    assert files_under(store) == {}
    forget_piece(store, FOLDER, name)


def test_a_shard_that_was_written_before_has_a_receipt(store: LocalStore) -> None:
    shard = Shard("6" * 64, ITEMS, 1)
    identity = make_identity().digest
    assert receipt_of(store, FOLDER, identity, shard) is None
    outcomes = [make_summarised(item.about) for item in ITEMS]
    written = write_shard(store, FOLDER, identity, shard, outcomes, seconds=3.0)
    assert receipt_of(store, FOLDER, identity, shard) == replace(written, seconds=0.0)
    assert receipt_of(store, FOLDER, identity, replace(shard, epoch=2)) is None
    store.write(written.key, b"")
    assert receipt_of(store, FOLDER, identity, shard) is None


def test_a_shard_with_a_photo_that_should_be_tried_again_has_none(store: LocalStore) -> None:
    from tasks.records.reasons import Reason

    shard = Shard("6" * 64, ITEMS)
    outcomes = [make_summarised(ITEMS[0].about), make_summarised(ITEMS[1].about)]
    outcomes += [make_failed(ITEMS[2].about, Reason.CHANGED)]
    write_shard(store, FOLDER, make_identity().digest, shard, outcomes, seconds=3.0)
    assert receipt_of(store, FOLDER, make_identity().digest, shard) is None
