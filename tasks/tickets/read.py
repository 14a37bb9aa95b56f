"""Read the tickets of a run that made them, without their labels."""

from __future__ import annotations

from dataclasses import dataclass

from blocks.store import Store
from tasks.records.stage_b import StageBManifest, Ticket, Unjudged
from tasks.runs.keys import TICKETS, UNJUDGED
from tasks.runs.verified_files import entry_of, read_canonical, reread


@dataclass(frozen=True)
class Tickets:
    """The tickets of a run, and the groups that have none."""

    tickets: tuple[Ticket, ...]
    unjudged: tuple[Unjudged, ...]


def read_tickets(store: Store, key: str, sha256: str) -> Tickets:
    """The tickets behind a manifest's key; `sha256` is the manifest's. Raises ManifestError, RecordError or
    StoreError."""
    manifest, _ = read_canonical(StageBManifest, store, key, sha256)
    return Tickets(
        tuple(reread(Ticket, store, key, entry_of(manifest.files, TICKETS, store, key))),
        tuple(reread(Unjudged, store, key, entry_of(manifest.files, UNJUDGED, store, key))),
    )
