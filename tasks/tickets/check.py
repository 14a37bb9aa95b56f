"""Check a run of Stage-B that made tickets: every digest, every record. Knows no engine and no Prefect."""

from __future__ import annotations

from blocks.store import Store
from tasks.records.errors import ManifestError
from tasks.records.labels import TicketLabel
from tasks.records.sealed import check_seal
from tasks.records.stage_b import StageBManifest, Ticket, Unjudged
from tasks.runs.check import check_layout, check_names
from tasks.runs.keys import LABELS, TICKETS, UNJUDGED
from tasks.runs.verified_files import Checked, entry_of, read_canonical, reread


def check_tickets(store: Store, key: str, expected: str | None = None) -> Checked[StageBManifest]:
    """Check the run behind a manifest's key; `expected` is the manifest's sha256, if known.

    Raises ManifestError or RecordError naming the object (and line), StoreError if it cannot be read.
    """
    manifest, digest = read_canonical(StageBManifest, store, key, expected)
    check_seal(manifest, store.uri_of(key))
    check_layout(manifest.mission, manifest.run_id, key, store)
    check_names(manifest.files, (TICKETS, LABELS, UNJUDGED), store, key)
    if manifest.run_id != manifest.source_sha256[:16]:
        raise ManifestError(f"{store.uri_of(key)} was changed: its run id is not that of its source")
    ids = {ticket.ticket_id for ticket in reread(Ticket, store, key, entry_of(manifest.files, TICKETS, store, key))}
    for label in reread(TicketLabel, store, key, entry_of(manifest.files, LABELS, store, key)):
        if label.ticket_id not in ids:
            raise ManifestError(f"{store.uri_of(key)} has a label for {label.ticket_id}, which is no ticket of it")
    unjudged = sum(1 for _ in reread(Unjudged, store, key, entry_of(manifest.files, UNJUDGED, store, key)))
    told, there = (manifest.tickets, manifest.unjudged), (len(ids), unjudged)
    if told != there:
        raise ManifestError(f"{store.uri_of(key)} counts {told} tickets and unjudged groups; there are {there}")
    return Checked.of("stage_b", manifest, digest, manifest.files)
