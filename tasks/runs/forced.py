"""The epoch of a forced run, in the store from its plan to its end: it knows its own earlier work. Knows no engine.

A run with `force` believes no earlier run, but it is an earlier run itself when it was killed and is started again.
So its epoch is noted before its first shard and forgotten when it has published and handed over: until then every
forced run of the mission, with the same identity of its texts, is the same one.

    no note --begin--> note of epoch N --killed, begin--> the same note --end--> no note --begin--> note of epoch N+1
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from blocks.errors import ObjectCorrupt, ObjectMissing
from blocks.store import Store
from tasks.records.base import Record, Sha256
from tasks.records.errors import RecordError
from tasks.records.jsonl import parse, to_line
from tasks.runs.keys import forced_key
from tasks.runs.reuse import current_epoch


class _Note(Record):
    identity: Sha256
    epoch: int = Field(ge=1)


@dataclass(frozen=True, slots=True)
class Forced:
    """The epoch of a forced run, where it is noted, and whether an earlier try noted it."""

    epoch: int
    uri: str
    again: bool


def begin_forced(store: Store, folder: str, identity: str) -> Forced:
    """The forced run that has not ended, or a new one, noted now. Raises StoreError.

    Whoever calls holds the mission. A note that cannot be read, or that a later forced run has overtaken, counts for
    none.
    """
    key = forced_key(folder, identity)
    newest = current_epoch(store, folder, identity)
    note = _read(store, key)
    if note is not None and note.identity == identity and note.epoch >= newest:
        return Forced(note.epoch, store.uri_of(key), again=True)
    store.write(key, to_line(_Note(identity=identity, epoch=newest + 1)))
    return Forced(newest + 1, store.uri_of(key), again=False)


def end_forced(store: Store, folder: str, identity: str) -> None:
    """Let the next forced run begin anew. Raises StoreError."""
    store.delete(forced_key(folder, identity))


def _read(store: Store, key: str) -> _Note | None:
    try:
        return parse(_Note, store.read(key).removesuffix(b"\n"), store.uri_of(key))
    except (RecordError, ObjectMissing, ObjectCorrupt):
        return None
