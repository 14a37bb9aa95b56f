"""What a page shows of a published run, group by group, as it is read from the store. Knows no picture and no markup.

A run is read several times over, a line at a time: what a person must look at comes first, then what failed, what
passed, and what Stage-A quarantined. Memory holds a group, and an entry for each different evidence.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import IO

from blocks.errors import ObjectMissing
from blocks.store import Store
from tasks.assurance.records import Metrics
from tasks.records.errors import ManifestError, OutputError, RecordError
from tasks.records.jsonl import parse, to_line
from tasks.records.reasons import Reason
from tasks.records.stage_a import Provenance, QuarantineEntry, RunManifest, StageARecord
from tasks.records.stage_b import StageBManifest, Ticket, Unjudged
from tasks.records.verdicts import Decision, JudgementManifest, Selection, Trajectory
from tasks.reports.groups import places
from tasks.runs.check import read_manifest, read_provenance, read_quarantine, read_records
from tasks.runs.keys import MANIFEST, METRICS, SELECTIONS, TICKETS, TRAJECTORIES, UNJUDGED, stage_b_folder
from tasks.runs.verified_files import RecordT, entry_of, read_canonical, reread


@dataclass(frozen=True)
class Group:
    """A group that has photos: a record of Stage-A, or a ticket with what was selected and its candidates. `lines` say
    where its photos lie, in their order; None for one that is not known."""

    photos: int
    lines: tuple[Provenance | None, ...]
    record: StageARecord | None = None
    missing: tuple[Reason, ...] = ()
    ticket: Ticket | None = None
    selection: Selection | None = None
    candidates: tuple[Trajectory, ...] = ()


Left = tuple[Unjudged, tuple[QuarantineEntry, ...]]
"""A group in quarantine, and the lines of its photos where they are known."""


@dataclass(frozen=True)
class StageA:
    """A Stage-A run in its store."""

    store: Store
    key: str
    manifest: RunManifest

    def groups(self) -> Iterator[Group]:
        """What was published, in its order. Raises ManifestError, RecordError or StoreError."""
        provenance = read_provenance(self.store, self.key, self.manifest)
        missing = self._missing()
        for _, record in read_records(self.store, self.key, self.manifest):
            lines = tuple(next(provenance, None) for _ in record.images)
            if any(line is None or line.group_id != record.group_id for line in lines):
                raise ManifestError(f"{self.store.uri_of(self.key)}: provenance has no line for each photo")
            yield Group(len(lines), lines, record, missing.get((record.group_id, record.label or ""), ()))
        if next(provenance, None) is not None:  # at its end its digest is checked
            raise ManifestError(
                f"{self.store.uri_of(self.key)}: provenance has lines for photos that are not published"
            )

    def quarantine(self) -> Iterator[Left]:
        """What was not published."""
        for entries in self._quarantined():
            if (whole := next((one for one in entries if one.kind == "group"), None)) is not None:
                photos = tuple(one for one in entries if one.kind == "photo") or (whole,)
                yield Unjudged(group_id=whole.group_id, reason=whole.reason), photos

    def by_group(self) -> Iterator[tuple[str, list[Provenance]]]:
        """Where the photos of each group lie."""
        for group_id, lines in groupby(read_provenance(self.store, self.key, self.manifest), lambda one: one.group_id):
            yield group_id, list(lines)

    def _missing(self) -> dict[tuple[str, str], tuple[Reason, ...]]:
        """Why photos are missing from groups that were published all the same."""
        return {
            (entries[0].group_id, entries[0].label or ""): tuple(one.reason for one in entries)
            for entries in self._quarantined()
            if all(one.kind == "photo" for one in entries)
        }

    def _quarantined(self) -> Iterator[list[QuarantineEntry]]:
        lines = read_quarantine(self.store, self.key, self.manifest)
        for _, entries in groupby(lines, lambda one: (one.group_id, one.label or "")):
            yield list(entries)


@dataclass(frozen=True)
class Judgement:
    """A judgement in its store, and the Stage-A run that it is of, if that is there."""

    store: Store
    key: str
    manifest: JudgementManifest
    source: StageA | None
    candidates: Candidates

    def selections(self) -> Iterator[Selection]:
        """What becomes of each ticket."""
        return self._read(Selection, SELECTIONS)

    def groups(self, decision: Decision) -> Iterator[Group]:
        """What was decided so. Raises ManifestError if the source is of another run."""
        known = self.source.by_group() if self.source else None
        pairs = zip(self._read(Ticket, TICKETS), self.selections(), strict=True)
        for group_id, same in groupby(pairs, lambda pair: pair[0].group_id):
            lines: list[Provenance] = []
            if known is not None:
                of, lines = next(known, ("", []))
                if of != group_id:
                    raise self._strange(group_id)
            for ticket, selection in same:
                if selection.decision is decision:
                    told = tuple(self.candidates.of(selection.evidence_digest))
                    yield Group(
                        len(ticket.images),
                        tuple(places(ticket, lines)),
                        ticket=ticket,
                        selection=selection,
                        candidates=told,
                    )
        if known is not None and (more := next(known, None)) is not None:  # at its end its digest is checked
            raise self._strange(more[0])

    def quarantine(self) -> Iterator[Left]:
        """What was not judged, with the lines of its photos where the source is known."""
        if self.source is not None:
            return self.source.quarantine()
        return ((one, ()) for one in self._read(Unjudged, UNJUDGED))

    def metrics(self) -> Metrics | None:
        """What was measured of it, if that is there and can be read: no digest vouches for it."""
        key = f"{self.key.rpartition('/')[0]}/{METRICS}"
        with suppress(ObjectMissing, RecordError):
            return parse(Metrics, self.store.read(key), self.store.uri_of(key))
        return None

    def _read(self, kind: type[RecordT], name: str) -> Iterator[RecordT]:
        return reread(kind, self.store, self.key, entry_of(self.manifest.files, name, self.store, self.key))

    def _strange(self, group_id: str) -> ManifestError:
        assert self.source is not None
        uri = self.source.store.uri_of(self.source.key)
        return ManifestError(f"{uri} is not the run of which this is a judgement: see group {group_id}")


@dataclass
class Candidates:
    """The candidates of a judgement in a nameless file: found by evidence, whatever the order in which groups come."""

    file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, told: Iterable[Trajectory]) -> Candidates:
        """Keep them; those of one evidence follow each other."""
        kept = cls()
        for digest, same in groupby(told, lambda one: one.evidence_digest):
            lines = b"".join(to_line(one) for one in same)
            kept.places[digest] = (kept.file.tell(), len(lines))
            kept.file.write(lines)
        return kept

    def of(self, digest: str) -> Iterator[Trajectory]:
        """Those of one evidence; none where nothing was asked."""
        at, size = self.places.get(digest, (0, 0))
        self.file.seek(at)
        return (parse(Trajectory, line, TRAJECTORIES) for line in self.file.read(size).splitlines())


def stage_a_of(store: Store, key: str, expected: str | None = None) -> StageA:
    """The Stage-A run behind a manifest's key. Raises ManifestError, RecordError or StoreError."""
    return StageA(store, key, read_manifest(store, key, expected)[0])


def judgement_of(store: Store, key: str, source: StageA | None) -> Judgement:
    """The judgement behind a manifest's key, of the run that is given, else of the one in the same store."""
    manifest, _ = read_canonical(JudgementManifest, store, key, None)
    told = reread(Trajectory, store, key, entry_of(manifest.files, TRAJECTORIES, store, key))
    return Judgement(store, key, manifest, source or _source(store, manifest), Candidates.read(told))


def source_of(store: Store, key: str) -> StageA:
    """The Stage-A run of which a run made tickets alone. Raises ObjectMissing if it is in another store."""
    manifest, _ = read_canonical(StageBManifest, store, key, None)
    return stage_a_of(store, manifest.source, manifest.source_sha256)


def _source(store: Store, judged: JudgementManifest) -> StageA | None:
    """The run whose tickets these are: a judgement names them by their digest."""
    runs = f"{stage_b_folder(judged.mission)}/runs"
    for name in sorted(store.folders(f"{runs}/")):
        key = f"{runs}/{name}/{MANIFEST}"
        with suppress(ObjectMissing, RecordError, OutputError):
            manifest, _ = read_canonical(StageBManifest, store, key, None)
            if entry_of(manifest.files, TICKETS, store, key).sha256 == judged.tickets_sha256:
                return stage_a_of(store, manifest.source, manifest.source_sha256)
    return None
