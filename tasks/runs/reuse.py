"""Take over what earlier runs know: by work key, whatever shard it was in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from blocks.errors import BadKey, ObjectCorrupt, ObjectMissing
from blocks.store import Store
from tasks.common.prefetch import prefetch
from tasks.ledger.works import Works
from tasks.records.errors import RecordError
from tasks.records.jsonl import parse
from tasks.records.outcomes import Answered, Judge, Outcome, ShardIndex, Unfinished, outdated
from tasks.runs.keys import index_folder, shard_key, split_index_key
from tasks.runs.shards import read_shard

_READERS = 8


@dataclass(frozen=True, slots=True)
class Reused:
    """Items whose outcome was taken over, the shards that these came from, and shards that are damaged: their items are
    asked about again.

    Of the items, `refused` ones were accepted by an earlier run and break a rule of today; `unfinished` ones do too,
    and are not among them: they are to be asked on.
    """

    items: int
    shards: int
    damaged: tuple[str, ...]
    refused: int = 0
    unfinished: int = 0


@dataclass(slots=True)
class _Judged:
    """The judge of stored outcomes, their record, and how many of them it judged otherwise than they were stored."""

    judge: Judge
    record: type[Answered]
    refused: int = 0
    unfinished: int = 0


def reuse(
    store: Store,
    folder: str,
    identity: str,
    works: Works,
    judge: Judge,
    *,
    record: type[Answered] = Answered,
    epoch: int | None = None,
) -> Reused:
    """Answer the ledger's work from the shards that earlier runs wrote under the same identity, or from those of one
    `epoch` alone.

    Of two shards with one item, that of the later epoch counts, of one epoch that of the later revision, and of one
    revision that with the smaller name: the same store gives the same texts. `judge` has the last word on each outcome.
    `record` is what is kept of an answer. Lists only the index objects of this folder and identity. Raises StoreError
    when the store itself fails.
    """
    names = [name for name in _names(store, folder, identity) if epoch is None or name[0] == epoch]
    damaged: dict[int, str] = {}
    passed: set[int] = set()
    used: set[int] = set()
    judged = _Judged(judge, record)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="reuse") as pool:
        while True:
            usable = [(n, name) for n, (*_, name) in enumerate(names) if n not in damaged and n not in passed]
            claimed = list(_claim(pool, store, usable, works, damaged))
            lacking = dict(_answer(pool, store, folder, claimed, works, judged))
            used.update(number for number, _, _ in claimed)
            # What such a shard held may be in another one that was passed over for it.
            if not lacking:
                break
            passed |= lacking.keys()
            damaged.update((number, uri) for number, uri in lacking.items() if uri is not None)
            used -= damaged.keys()
    return Reused(works.count(answered=True), len(used), tuple(damaged.values()), judged.refused, judged.unfinished)


def current_epoch(store: Store, folder: str, identity: str) -> int:
    """The newest epoch in the store; 0 if nothing was ever redone. Raises StoreError."""
    return max((epoch for epoch, *_ in _names(store, folder, identity)), default=0)


def _names(store: Store, folder: str, identity: str) -> list[tuple[int, int, str]]:
    """Epoch, revision and key of every index object, those that count first."""
    found = (split_index_key(info.key) for info in store.list(index_folder(folder, identity) + "/"))
    return sorted((name for name in found if name is not None), key=lambda name: (-name[0], -name[1], name[2]))


def _claim(
    pool: ThreadPoolExecutor, store: Store, names: Iterable[tuple[int, str]], works: Works, damaged: dict[int, str]
) -> Iterator[tuple[int, str, str]]:
    """Number, shard and its sha256 of each index object that names work of this run."""

    def look(named: tuple[int, str]) -> tuple[int, str, ShardIndex | None]:
        number, key = named
        try:
            return number, key, parse(ShardIndex, store.read(key).removesuffix(b"\n"), store.uri_of(key))
        except (RecordError, ObjectMissing, ObjectCorrupt, BadKey):
            return number, key, None

    # Counted here: to ask the ledger after each claim is to count all work once a shard.
    left = works.unclaimed()
    for number, key, index in prefetch(pool, look, names, 2 * _READERS):
        if index is None:
            damaged[number] = store.uri_of(key)
        elif claimed := works.claim(number, index.work_keys):
            yield number, index.shard, index.sha256
            left -= claimed
            if not left:
                return


def _answer(
    pool: ThreadPoolExecutor,
    store: Store,
    folder: str,
    claimed: Iterable[tuple[int, str, str]],
    works: Works,
    judged: _Judged,
) -> Iterator[tuple[int, str | None]]:
    """Read the claimed shards and keep their outcomes as they are judged; the number of those that lack some, with the
    URI of a damaged one: others hold failures that no longer count."""

    def look(named: tuple[int, str, str]) -> tuple[int, str, list[Outcome] | None]:
        number, shard, sha256 = named
        key = shard_key(folder, shard)
        try:
            return number, store.uri_of(key), read_shard(store, key, sha256, judged.record)
        except (RecordError, ObjectMissing, ObjectCorrupt):
            return number, store.uri_of(key), None

    for number, uri, outcomes in prefetch(pool, look, claimed, 2 * _READERS):
        usable = [outcome for outcome in outcomes or () if not outdated(outcome)]
        same, refused, unfinished = _sort(usable, judged.judge)
        works.answer(same, number)
        judged.refused += works.answer(refused, number)
        judged.unfinished += works.go_on(unfinished, number)
        if lacking := works.release(number):
            yield number, uri if lacking > len(outcomes or ()) - len(usable) else None


def _sort(outcomes: Iterable[Outcome], judge: Judge) -> tuple[list[Outcome], list[Outcome], list[Unfinished]]:
    """Outcomes that are as good as they were, those that are refused now, and those that go on."""
    same: list[Outcome] = []
    refused: list[Outcome] = []
    unfinished: list[Unfinished] = []
    for outcome in outcomes:
        judged = judge(outcome)
        if isinstance(judged, Unfinished):
            unfinished.append(judged)
        else:
            (refused if outcome.ok and not judged.ok else same).append(judged)
    return same, refused, unfinished
