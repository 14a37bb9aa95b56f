"""Shard objects: the outcomes of a shard's photos, written once, read back and checked. Knows no engine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from blocks.errors import ObjectMissing
from blocks.store import Store
from tasks.publishing.keys import shard_key
from tasks.records.errors import RecordError
from tasks.records.jsonl import parse, to_line
from tasks.records.stage_a import Failed, Summarised

Outcome = Summarised | Failed


@dataclass(frozen=True, slots=True)
class Receipt:
    """All that a step says of a shard: where it is, its digest, and what is in it. Never the data.

    `reused` tells that the shard was in the store already; otherwise `inferred` photos were shown to the model.
    """

    key: str
    sha256: str
    photos: int
    reused: bool
    inferred: int
    bad: int
    retried: int
    visual_tokens: int
    completion_tokens: int
    seconds: float


def write_shard(store: Store, mission: str, shard: str, outcomes: Sequence[Outcome], *, seconds: float) -> Receipt:
    """Write a shard, ordered by work key, and give its receipt. Raises StoreError."""
    data = b"".join(to_line(outcome) for outcome in sorted(outcomes, key=lambda outcome: outcome.work_key))
    key = shard_key(mission, shard)
    store.write(key, data)
    return _receipt(key, data, outcomes, reused=False, seconds=seconds)


def find_shard(store: Store, mission: str, shard: str, work_keys: Iterable[str]) -> Receipt | None:
    """The receipt of a shard that an earlier run wrote, or None if there is none or it does not hold this work.

    A shard that cannot be read back is taken as missing: it is inferred and written again.
    """
    key = shard_key(mission, shard)
    try:
        data = store.read(key)
        outcomes = parse_shard(data, store.uri_of(key))
    except (ObjectMissing, RecordError):
        return None
    if [outcome.work_key for outcome in outcomes] != sorted(work_keys):
        return None
    return _receipt(key, data, outcomes, reused=True, seconds=0.0)


def read_shard(store: Store, receipt: Receipt) -> list[Outcome]:
    """The outcomes behind a receipt. Raises RecordError if the object is not what the receipt says."""
    data = store.read(receipt.key)
    if hashlib.sha256(data).hexdigest() != receipt.sha256:
        raise RecordError(f"{store.uri_of(receipt.key)} was changed since it was written; delete it and run again")
    return parse_shard(data, store.uri_of(receipt.key))


def parse_shard(data: bytes, name: str) -> list[Outcome]:
    """Outcomes from a shard's bytes; `name` is for messages. Raises RecordError naming the line."""
    if data and not data.endswith(b"\n"):
        raise RecordError(f"{name}: the last line is cut off; delete the object and run again")
    outcomes: list[Outcome] = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        place = f"{name}, line {number}"
        outcomes.append(parse(Summarised, line, place) if b'"finish_reason"' in line else parse(Failed, line, place))
    return outcomes


def _receipt(key: str, data: bytes, outcomes: Sequence[Outcome], *, reused: bool, seconds: float) -> Receipt:
    summarised = [outcome for outcome in outcomes if isinstance(outcome, Summarised)]
    return Receipt(
        key=key,
        sha256=hashlib.sha256(data).hexdigest(),
        photos=len(outcomes),
        inferred=0 if reused else len(summarised),
        reused=reused,
        bad=sum(not outcome.ok for outcome in outcomes),
        retried=sum(outcome.attempts > 1 for outcome in summarised),
        visual_tokens=sum(outcome.visual_tokens for outcome in summarised),
        completion_tokens=sum(outcome.completion_tokens for outcome in summarised),
        seconds=seconds,
    )
