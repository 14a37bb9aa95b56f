"""Shard objects: the outcomes of a shard's items, written once, read back and checked.

For each shard there is a small index object that names the work in it, so that a later run finds an item's outcome
without reading every shard. It is written after the shard: what it names is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from blocks.errors import ObjectCorrupt, ObjectMissing
from blocks.store import Store
from tasks.records.errors import RecordError
from tasks.records.jsonl import parse, to_line
from tasks.records.outcomes import Answered, Outcome, ShardIndex, lasts, outdated, parse_outcome
from tasks.records.work import Shard
from tasks.runs.keys import index_key, shard_key


@dataclass(frozen=True, slots=True)
class Receipt:
    """All that a step says of a shard: where it is, its digest, and what is in it. Never the data.

    `inferred` of the `items` were asked of the model, `retried` of them more than once; `bad` have no good answer.
    """

    key: str
    sha256: str
    items: int
    inferred: int
    bad: int
    retried: int
    visual_tokens: int
    completion_tokens: int
    seconds: float


def write_shard(
    store: Store, folder: str, identity: str, shard: Shard, outcomes: Sequence[Outcome], *, seconds: float
) -> Receipt:
    """Write a shard, ordered by work key, then its index, and give its receipt. Raises StoreError.

    `identity` is the digest of what the texts have in common. An outcome that would not last is in the shard and not
    in the index: a later run tries again.
    """
    ordered = sorted(outcomes, key=lambda outcome: outcome.work_key)
    data = b"".join(to_line(outcome) for outcome in ordered)
    key = shard_key(folder, shard.key)
    digest = hashlib.sha256(data).hexdigest()
    store.write(key, data)
    lasting = tuple(outcome.work_key for outcome in ordered if lasts(outcome))
    if lasting:
        index = ShardIndex(shard=shard.key, sha256=digest, epoch=shard.epoch, work_keys=lasting)
        store.write(index_key(folder, identity, shard.epoch, shard.revision, shard.key), to_line(index))
    return _receipt(key, digest, ordered, seconds)


def receipt_of(
    store: Store, folder: str, identity: str, shard: Shard, record: type[Answered] = Answered
) -> Receipt | None:
    """The receipt of a shard that was written before, as if it took no time; None if it is not whole, or has photos
    that can be read by now.

    Raises StoreError when the store itself fails.
    """
    key = shard_key(folder, shard.key)
    name = index_key(folder, identity, shard.epoch, shard.revision, shard.key)
    try:
        index = parse(ShardIndex, store.read(name).removesuffix(b"\n"), store.uri_of(name))
        outcomes = read_shard(store, key, index.sha256, record)
    except (RecordError, ObjectMissing, ObjectCorrupt):
        return None
    if set(index.work_keys) != {item.work_key for item in shard.items} or any(map(outdated, outcomes)):
        return None
    return _receipt(key, index.sha256, outcomes, 0.0)


def read_shard(store: Store, key: str, sha256: str, record: type[Answered] = Answered) -> list[Outcome]:
    """The outcomes in a shard object. Raises RecordError if it does not have the digest `sha256`, or StoreError."""
    data = store.read(key)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RecordError(f"{store.uri_of(key)} was changed since it was written; delete it and run again")
    return parse_shard(data, store.uri_of(key), record)


def parse_shard(data: bytes, name: str, record: type[Answered] = Answered) -> list[Outcome]:
    """Outcomes from a shard's bytes; `name` is for messages, `record` what is kept of an answer. Raises RecordError
    naming the line."""
    if data and not data.endswith(b"\n"):
        raise RecordError(f"{name}: the last line is cut off; delete the object and run again")
    lines = enumerate(data.split(b"\n")[:-1], start=1)
    return [parse_outcome(line, f"{name}, line {number}", record) for number, line in lines]


def _receipt(key: str, sha256: str, outcomes: Sequence[Outcome], seconds: float) -> Receipt:
    answered = [outcome for outcome in outcomes if isinstance(outcome, Answered)]
    return Receipt(
        key=key,
        sha256=sha256,
        items=len(outcomes),
        inferred=len(answered),
        bad=sum(not outcome.ok for outcome in outcomes),
        retried=sum(outcome.attempts > 1 for outcome in answered),
        visual_tokens=sum(outcome.visual_tokens for outcome in answered),
        completion_tokens=sum(outcome.completion_tokens for outcome in answered),
        seconds=seconds,
    )
