"""Plan the work of a run: what earlier runs know, and shards of what they do not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from blocks.store import Store
from configs.work import WorkConfig
from tasks.common.batches import batches
from tasks.ledger.works import Works
from tasks.records.jsonl import canonical
from tasks.records.work import Identity, Shard, WorkItem
from tasks.runs.forced import Forced, begin_forced
from tasks.runs.reuse import Reused, reuse
from tasks.work.kind import Kind


@dataclass(frozen=True, slots=True)
class Plan:
    """The questions of a run, and how many there are. The work items are in the ledger.

    Of `items` different ones, `reused` are known from earlier runs and `pending` are not. `epoch` counts the runs that
    redid everything.
    """

    kind: Kind
    items: int
    reused: int
    epoch: int

    @property
    def pending(self) -> int:
        """How many items the engine is asked about."""
        return self.items - self.reused


class HasIdentity(Protocol):
    """A published run's manifest, which says what its texts came from."""

    @property
    def prompt(self) -> str: ...
    @property
    def checkpoint(self) -> str: ...
    @property
    def adapters(self) -> tuple[str, ...]: ...
    @property
    def settings(self) -> dict[str, object]: ...


def plan_work(store: Store, kind: Kind, works: Works, *, force: bool) -> tuple[Plan, Reused, Forced | None]:
    """Take over what earlier runs know of the ledger's work; with `force`, only what this forced run itself knows from
    an earlier try. Raises StoreError."""
    digest = kind.identity.digest
    forced = begin_forced(store, kind.folder, digest) if force else None
    epoch = forced.epoch if forced else None
    reused = reuse(store, kind.folder, digest, works, kind.take_over, record=kind.record, epoch=epoch)
    return Plan(kind, works.count(), reused.items, epoch or 0), reused, forced


def differences(ours: Identity, theirs: HasIdentity) -> list[str]:
    """In what the texts of another process or of a published run differ from ours; empty if they would be the same."""
    pairs = {
        "prompt": (ours.prompt, theirs.prompt),
        "checkpoint": (ours.checkpoint, theirs.checkpoint),
        "adapters": (ours.adapters, theirs.adapters),
        "settings": (canonical(ours.settings), canonical(theirs.settings)),
    }
    return [name for name, (one, other) in pairs.items() if one != other]


def plan_shards(items: Iterable[WorkItem], size: Callable[[], int], epoch: int, revision: int) -> Iterator[Shard]:
    """Cut work into shards, in its order. `size` is asked before each of them how many items it may have; `revision`
    is that of the rules.

    A shard's key is the sha256 of its sorted work keys (and its epoch and revision, if they are not 0): the same work
    has the same key.
    """
    for batch in batches(items, size):
        asked_on = revision if any(item.asked for item in batch) else 0
        of = ([str(epoch)] if epoch else []) + ([f"revision {asked_on}"] if asked_on else [])
        named = "\n".join([*of, *sorted(item.work_key for item in batch)])
        yield Shard(hashlib.sha256(named.encode()).hexdigest(), batch, epoch, asked_on)


def pending_shards(config: WorkConfig, plan: Plan, works: Works, rate: Callable[[], float]) -> Iterator[Shard]:
    """The shards of the work that is left, one at a time, each as large as the `rate` so far (items a second, over all
    devices; 0 if it is not known yet) suggests."""
    return plan_shards(works.pending(), lambda: shard_size(config, rate()), plan.epoch, plan.kind.revision)


def shard_size(config: WorkConfig, rate: float) -> int:
    """Items in the next shard, when `rate` of them are done a second, over all devices; 0 if that is not known yet.

    As many as fill `shard_seconds`; while nothing is known, as few as make four batches.
    """
    least = min(config.shard_photos, 4 * config.engine.batch_size)
    return max(least, min(config.shard_photos, int(config.shard_seconds * rate / len(config.fleet))))
