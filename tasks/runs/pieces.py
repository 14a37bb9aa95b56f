"""Pieces: work items of a run that another process asks about, and its receipts, both through the store.

A run writes an order, whoever takes it answers with the receipts of the shards that it wrote. Both are forgotten once
the run has read the answer; what was answered stays in the shards, so that nothing is lost with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from blocks.store import Store
from tasks.records.errors import RecordError
from tasks.records.work import Identity, WorkItem
from tasks.runs.keys import piece_order_key, piece_receipts_key
from tasks.runs.shards import Receipt


@dataclass(frozen=True)
class Piece:
    """Work of one run for one process: the kind of question, the run's configuration, what its texts have in common,
    and the items.

    `config` is the run's as plain JSON, without secrets, which stay where they are. `revision` is that of the rules by
    which the run judges its texts.
    """

    kind: str
    config: dict[str, Any]
    identity: Identity
    epoch: int
    revision: int
    items: tuple[WorkItem, ...]


def write_piece(store: Store, folder: str, piece: Piece) -> str:
    """Write an order and give its name, the sha256 of what it says. Raises StoreError."""
    data = _adapter(Piece).dump_json(piece)
    name = hashlib.sha256(data).hexdigest()
    store.write(piece_order_key(folder, name), data)
    return name


def read_piece(store: Store, folder: str, name: str) -> Piece:
    """The piece of that name. Raises RecordError if it is not what was written, or StoreError."""
    key = piece_order_key(folder, name)
    data = store.read(key)
    if hashlib.sha256(data).hexdigest() != name:
        raise RecordError(f"{store.uri_of(key)} was changed since it was written; start the run again")
    piece: Piece = _parse(Piece, data, store.uri_of(key))
    return piece


def write_receipts(store: Store, folder: str, name: str, receipts: Sequence[Receipt]) -> None:
    """Answer an order. Raises StoreError."""
    store.write(piece_receipts_key(folder, name), _adapter(tuple[Receipt, ...]).dump_json(tuple(receipts)))


def read_receipts(store: Store, folder: str, name: str) -> list[Receipt]:
    """The answer to an order. Raises RecordError, ObjectMissing if there is none, or StoreError."""
    key = piece_receipts_key(folder, name)
    return list(_parse(tuple[Receipt, ...], store.read(key), store.uri_of(key)))


def forget_piece(store: Store, folder: str, name: str) -> None:
    """Delete order and answer. Raises StoreError."""
    store.delete(piece_order_key(folder, name))
    store.delete(piece_receipts_key(folder, name))


def _parse(kind: Any, data: bytes, uri: str) -> Any:
    try:
        return _adapter(kind).validate_json(data)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise RecordError(f"{uri}: {where}: {error.errors()[0]['msg']}; is another release at work there?") from error


@lru_cache(maxsize=4)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
