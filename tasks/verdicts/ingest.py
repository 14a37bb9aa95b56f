"""From a published Stage-A run to tickets, one a group. Knows no model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from blocks.errors import ObjectCorrupt, ObjectMissing
from blocks.store import Store
from tasks.records.errors import OutputError
from tasks.records.jsonl import to_line
from tasks.records.stage_a import StageARecord
from tasks.records.stage_b import StageBManifest, Ticket
from tasks.runs.check import check_run, read_manifest, read_records
from tasks.runs.files import JsonlWriter
from tasks.runs.keys import MANIFEST, TICKETS, run_folder, stage_b_folder


@dataclass(frozen=True, slots=True)
class Ingested:
    """A Stage-B run that has its tickets: the URI of its manifest and how many tickets there are."""

    uri: str
    key: str
    sha256: str
    run_id: str
    tickets: int


def ticket(record: StageARecord, line: int) -> Ticket:
    """The ticket of one published group; `line` is the record's line in the published file."""
    label = record.label
    return Ticket(
        ticket_id=f"{record.group_id}@{label.value if label else 'unlabelled'}#{line}",
        group_id=record.group_id,
        mission=record.mission,
        label=label,
        label_source="folder" if label else "none",
        stage_a_complete=record.stage_a_complete,
        images=record.images,
        summaries=record.per_image,
        line=line,
    )


def find_ingested(target: Store, mission: str, digest: str) -> Ingested | None:
    """The tickets of the Stage-A run whose manifest has the sha256 `digest`, if they were made and are whole.

    Raises StoreError.
    """
    key = f"{run_folder(stage_b_folder(mission), digest[:16])}/{MANIFEST}"
    try:
        checked = check_run(target, key)
    except (ObjectMissing, ObjectCorrupt, OutputError):
        return None
    own = checked.manifest
    if not isinstance(own, StageBManifest) or own.source_sha256 != digest:
        return None
    return Ingested(target.uri_of(key), key, checked.sha256, own.run_id, own.tickets)


def ingest(source: Store, key: str, target: Store, expected: str | None = None) -> Ingested:
    """Read a Stage-A run strictly and write its tickets and a manifest, the manifest last.

    The run's id is the start of the Stage-A manifest's sha256: the same run makes the same tickets in the same place,
    however often it is handed over. Raises ManifestError or RecordError (naming the line) for a run that does not check
    out; then nothing is written.
    """
    manifest, digest = read_manifest(source, key, expected)
    run_id = digest[:16]
    folder = run_folder(stage_b_folder(manifest.mission), run_id)
    writer = JsonlWriter(TICKETS)
    for line, record in read_records(source, key, manifest):
        writer.write([ticket(record, line)])
    file = writer.close()
    file.put(target, folder)
    own = StageBManifest(
        run_id=run_id,
        mission=manifest.mission,
        source=key,
        source_sha256=digest,
        tickets=file.entry.records,
        files=(file.entry,),
    ).sealed()
    data = to_line(own)
    target.write(f"{folder}/{MANIFEST}", data)
    return Ingested(
        uri=target.uri_of(f"{folder}/{MANIFEST}"),
        key=f"{folder}/{MANIFEST}",
        sha256=hashlib.sha256(data).hexdigest(),
        run_id=run_id,
        tickets=own.tickets,
    )
