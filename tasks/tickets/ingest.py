"""From a published Stage-A run to tickets, one a group, and their labels apart. Knows no model."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from blocks.errors import ObjectCorrupt, ObjectExists, ObjectMissing
from blocks.store import Store
from tasks.records.errors import ManifestError, OutputError
from tasks.records.jsonl import to_line
from tasks.records.labels import TicketLabel
from tasks.records.photos import Label
from tasks.records.reasons import Reason
from tasks.records.sealed import sealed
from tasks.records.stage_a import Provenance, RunManifest, StageARecord
from tasks.records.stage_b import StageBManifest, Ticket, TicketPhoto, Unjudged
from tasks.records.verdicts import Verdict
from tasks.runs.check import check_run, read_manifest, read_provenance, read_quarantine, read_records
from tasks.runs.files import JsonlWriter, LocalFile
from tasks.runs.keys import LABELS, MANIFEST, PROVENANCE, TICKETS, UNJUDGED, run_folder, stage_b_folder
from tasks.tickets.check import check_tickets
from tasks.tickets.submissions import Submissions

_TRIES = 20
_VERDICTS = {Label.PASS: Verdict.PASS, Label.FAIL: Verdict.FAIL}

Missing = dict[tuple[str, Label | None], tuple[Reason, ...]]
"""Why photos of published groups are not in them."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """A Stage-B run that has its tickets: the URI of its manifest and how many tickets there are."""

    uri: str
    key: str
    sha256: str
    run_id: str
    tickets: int


def find_ingested(target: Store, mission: str, digest: str) -> Ingested | None:
    """The tickets of the Stage-A run whose manifest has the sha256 `digest`, if they were made and are whole.

    Raises StoreError.
    """
    key = f"{run_folder(stage_b_folder(mission), digest[:16])}/{MANIFEST}"
    try:
        checked = check_tickets(target, key)
    except (ObjectMissing, ObjectCorrupt, OutputError):
        return None
    own = checked.manifest
    if own.source_sha256 != digest:
        return None
    return Ingested(target.uri_of(key), key, checked.sha256, own.run_id, own.tickets)


def ingest(source: Store, key: str, target: Store, expected: str | None = None) -> Ingested:
    """Read a Stage-A run strictly and write its tickets, their labels and a manifest, the manifest last.

    The run's id is the start of the Stage-A manifest's sha256: the same run makes the same tickets in the same place,
    however often it is handed over. Raises ManifestError or RecordError (naming the line) for a run that does not check
    out; then nothing is written.
    """
    manifest, digest = read_manifest(source, key, expected)
    files = _files(source, key, manifest, target)
    folder = run_folder(stage_b_folder(manifest.mission), digest[:16])
    for file in files:
        file.put(target, folder)
    own = sealed(
        StageBManifest(
            run_id=digest[:16],
            mission=manifest.mission,
            source=key,
            source_sha256=digest,
            tickets=files[0].entry.records,
            unjudged=files[2].entry.records,
            files=tuple(file.entry for file in files),
        )
    )
    data = to_line(own)
    target.write(f"{folder}/{MANIFEST}", data)
    return Ingested(
        uri=target.uri_of(f"{folder}/{MANIFEST}"),
        key=f"{folder}/{MANIFEST}",
        sha256=hashlib.sha256(data).hexdigest(),
        run_id=own.run_id,
        tickets=own.tickets,
    )


def tickets_of(source: Store, key: str, expected: str | None = None) -> Iterator[Ticket]:
    """The tickets that a Stage-A run would make, without making them: with the numbers that they would get there."""
    manifest, _ = read_manifest(source, key, expected)
    missing, _ = _quarantine(source, key, manifest)
    for ticket, _ in _tickets(source, key, manifest, Submissions(source, manifest.mission), missing):
        yield ticket


def _files(source: Store, key: str, manifest: RunManifest, target: Store) -> tuple[LocalFile, LocalFile, LocalFile]:
    """Tickets, labels and groups without a ticket. Anew, if another run numbered submissions meanwhile."""
    for _ in range(_TRIES):
        submissions = Submissions(target, manifest.mission)
        tickets, labels, unjudged = JsonlWriter(TICKETS), JsonlWriter(LABELS), JsonlWriter(UNJUDGED)
        missing, without = _quarantine(source, key, manifest)
        unjudged.write(without)
        for one, label in _tickets(source, key, manifest, submissions, missing):
            tickets.write([one])
            if label is not None:
                labels.write([TicketLabel(ticket_id=one.ticket_id, label=_VERDICTS[label], source="folder")])
        try:
            submissions.save()
        except ObjectExists:
            continue
        return tickets.close(), labels.close(), unjudged.close()
    raise OutputError(f"{_TRIES} times another run numbered submissions of {manifest.mission} first: run again")


def _quarantine(source: Store, key: str, manifest: RunManifest) -> tuple[Missing, list[Unjudged]]:
    """Why photos are missing from published groups, and the groups that were not published."""
    missing: dict[tuple[str, Label | None], tuple[Reason, ...]] = defaultdict(tuple)
    unjudged = []
    for line in read_quarantine(source, key, manifest):
        if line.kind == "group":
            unjudged.append(Unjudged(group_id=line.group_id, reason=line.reason))
        else:
            missing[line.group_id, line.label] += (line.reason,)
    return missing, unjudged


def _tickets(
    source: Store, key: str, manifest: RunManifest, submissions: Submissions, missing: Missing
) -> Iterator[tuple[Ticket, Label | None]]:
    """Tickets with their labels, by group and by number; the records of one group follow each other."""
    provenance = read_provenance(source, key, manifest)
    records = (record for _, record in read_records(source, key, manifest))
    for group_id, same in groupby(records, key=lambda record: record.group_id):
        # Neither label nor place in the file decides a number: labels move, tickets do not.
        found = [(record, _photos(record, provenance)) for record in same]
        if any(len(photos) != len(record.images) for record, photos in found):
            check_run(source, key)  # names the file that was changed
            raise ManifestError(f"{PROVENANCE} has no line for each photo of group {group_id}")
        found.sort(key=lambda pair: (sorted(photo.sha256 for photo in pair[1]), pair[0].images))
        drafts = [_ticket(record, photos, missing) for record, photos in found]
        numbers = submissions.number(group_id, [draft.answer_key for draft in drafts])
        for number, draft, (record, _) in sorted(zip(numbers, drafts, found, strict=True), key=lambda one: one[0]):
            yield draft.model_copy(update={"ticket_id": f"{group_id}#{number}"}), record.label
    for _ in provenance:
        pass  # its digest is checked at its end


def _photos(record: StageARecord, provenance: Iterator[Provenance]) -> tuple[TicketPhoto, ...]:
    """What provenance says of a record's photos; it has a line a photo, in the order of the records."""
    lines = [next(provenance, None) for _ in record.images]
    return tuple(
        TicketPhoto(sha256=line.sha256, work_key=line.work_key)
        for line, name in zip(lines, record.images, strict=True)
        if line is not None and (line.group_id, line.name) == (record.group_id, name)
    )


def _ticket(record: StageARecord, photos: tuple[TicketPhoto, ...], missing: Missing) -> Ticket:
    return Ticket(
        ticket_id=f"{record.group_id}#1",
        group_id=record.group_id,
        mission=record.mission,
        stage_a_complete=record.stage_a_complete,
        images=record.images,
        photos=photos,
        summaries=record.per_image,
        missing=missing.get((record.group_id, record.label), ()),
    )
