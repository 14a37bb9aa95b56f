"""Read labels: those of the folders, kept beside the tickets, and a file that somebody brings.

Whatever judges may not import this: see the contract in `pyproject.toml`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from blocks.local_errors import translated
from blocks.store import Store
from tasks.records.jsonl import read_lines
from tasks.records.labels import TicketLabel
from tasks.records.stage_b import StageBManifest
from tasks.runs.keys import LABELS
from tasks.runs.verified_files import entry_of, read_canonical, reread


def read_labels(store: Store, key: str, sha256: str, brought: str | None = None) -> list[TicketLabel]:
    """The labels of the tickets behind a manifest's key. Where `brought`, a JSONL file, has one for a ticket, that one
    counts and not the folder's.

    Raises ManifestError, RecordError (naming the line) or StoreError.
    """
    manifest, _ = read_canonical(StageBManifest, store, key, sha256)
    labels = {
        one.ticket_id: one for one in reread(TicketLabel, store, key, entry_of(manifest.files, LABELS, store, key))
    }
    if brought is not None:
        labels |= {one.ticket_id: one for one in _of_file(Path(brought))}
    return list(labels.values())


def _of_file(path: Path) -> Iterable[TicketLabel]:
    with translated(str(path)), path.open("rb") as lines:
        yield from (line for _, line in read_lines(TicketLabel, lines, str(path)))
