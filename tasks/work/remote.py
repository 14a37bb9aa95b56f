"""Work that another process does: whether it would write the same texts, and what an earlier try left."""

from __future__ import annotations

import socket

from blocks.store import Store
from configs.errors import ConfigError, Fault
from tasks.records.work import Shard
from tasks.runs.pieces import Piece
from tasks.runs.shards import Receipt, receipt_of
from tasks.work.kind import Kind
from tasks.work.plan import Plan, differences, plan_shards


def plan_piece(piece: Piece, kind: Kind) -> Plan:
    """The plan of a piece of another process's run. Raises ConfigError if this process would write other texts."""
    other = differences(kind.identity, piece.identity)
    if piece.revision != kind.revision:
        other.append("grammar")
    if other:
        what = f"{socket.gethostname()} has another {', another '.join(other)} than the run that it is to help"
        raise ConfigError([Fault("spread", what, "give all machines the same release, checkpoint and kind of device")])
    return Plan(kind, len(piece.items), 0, piece.epoch)


def shards_of_piece(store: Store, piece: Piece, plan: Plan, shard_photos: int) -> tuple[list[Receipt], list[Shard]]:
    """Receipts of the shards that an earlier try at this piece wrote, and the shards that are left.

    Raises StoreError.
    """
    kind = plan.kind
    done: list[Receipt] = []
    left: list[Shard] = []
    for shard in plan_shards(piece.items, lambda: shard_photos, piece.epoch, kind.revision):
        receipt = receipt_of(store, kind.folder, kind.identity.digest, shard, kind.record)
        if receipt is None:
            left.append(shard)
        else:
            done.append(receipt)
    return done, left
