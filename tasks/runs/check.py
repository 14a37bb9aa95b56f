"""Check a published run: re-read every object that the manifest names, every digest and every record.

Knows the files' formats; knows no engine and no Prefect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from pydantic import BaseModel

from blocks.errors import ObjectCorrupt, ObjectMissing
from blocks.store import Store
from tasks.records.base import FileEntry
from tasks.records.errors import ManifestError, RecordError
from tasks.records.jsonl import parse
from tasks.records.stage_a import Latest, Provenance, QuarantineEntry, RunManifest, StageARecord
from tasks.runs.keys import MANIFEST, PROVENANCE, QUARANTINE, latest_key, records_name
from tasks.runs.manifest import derive_run_id
from tasks.runs.verified_files import Checked, entry_of, read_canonical, reread


def check_run(store: Store, key: str, expected: str | None = None) -> Checked[RunManifest]:
    """Check the Stage-A run behind a manifest's key; `expected` is the manifest's sha256, if known.

    Raises ManifestError or RecordError naming the object (and line), StoreError if it cannot be read.
    """
    manifest, digest = read_manifest(store, key, expected)
    try:
        _check_stage_a(store, key, manifest)
    except ManifestError:
        _check_digests(store, key, manifest)
        raise
    _check_pointer(store, manifest, digest)
    return Checked.of("stage_a", manifest, digest, manifest.files)


def read_manifest(store: Store, key: str, expected: str | None = None) -> tuple[RunManifest, str]:
    """A Stage-A manifest and its sha256, itself checked: canonical bytes, its own run id, its place.

    Raises ManifestError, or RecordError if it is not a manifest at all.
    """
    manifest, digest = read_canonical(RunManifest, store, key, expected)
    if derive_run_id(manifest) != manifest.run_id:
        raise ManifestError(f"{store.uri_of(key)} was changed: its content does not give its run id {manifest.run_id}")
    check_layout(manifest.mission, manifest.run_id, key, store)
    return manifest, digest


def read_records(store: Store, key: str, manifest: RunManifest) -> Iterator[tuple[int, StageARecord]]:
    """Line number and record of each published group; digest and size are checked at the end.

    Raises ManifestError or RecordError.
    """
    entry = entry_of(manifest.files, records_name(manifest.mission), store, key)
    yield from enumerate(reread(StageARecord, store, key, entry), start=1)


def read_provenance(store: Store, key: str, manifest: RunManifest) -> Iterator[Provenance]:
    """The provenance line of each published photo; digest and size are checked at the end.

    Raises ManifestError or RecordError.
    """
    return reread(Provenance, store, key, entry_of(manifest.files, PROVENANCE, store, key))


def read_quarantine(store: Store, key: str, manifest: RunManifest) -> Iterator[QuarantineEntry]:
    """The lines of a run's quarantine; digest and size are checked at the end. Raises ManifestError or RecordError."""
    return reread(QuarantineEntry, store, key, entry_of(manifest.files, QUARANTINE, store, key))


def _check_digests(store: Store, key: str, manifest: RunManifest) -> None:
    """Where files do not fit each other, the one that was changed is at fault, and not the one read beside it."""
    kinds: dict[str, type[BaseModel]] = {
        records_name(manifest.mission): StageARecord,
        PROVENANCE: Provenance,
        QUARANTINE: QuarantineEntry,
    }
    for name, kind in kinds.items():
        for _ in reread(kind, store, key, entry_of(manifest.files, name, store, key)):
            pass


def _check_stage_a(store: Store, key: str, manifest: RunManifest) -> None:
    where = store.uri_of(key.rpartition("/")[0])
    check_names(manifest.files, (records_name(manifest.mission), PROVENANCE, QUARANTINE), store, key)
    provenance = read_provenance(store, key, manifest)
    before = ("", "")
    groups = photos = 0
    for number, record in read_records(store, key, manifest):
        place = f"{where}/{records_name(manifest.mission)}, line {number}"
        if record.mission != manifest.mission:
            raise ManifestError(f"{place}: mission {record.mission!r}, but the run is of {manifest.mission!r}")
        order = (record.group_id, record.label or "")
        if order < before:
            raise ManifestError(f"{place}: group {record.group_id} is out of order")
        before = order
        groups += 1
        photos += len(record.images)
        for name, image in zip(record.images, record.per_image, strict=True):
            line = next(provenance, None)
            if line is None or (line.group_id, line.label, line.name, line.image) != (
                record.group_id,
                record.label,
                name,
                image,
            ):
                raise ManifestError(f"{where}/{PROVENANCE} has no line for {image} of group {record.group_id}")
    if next(provenance, None) is not None:
        raise ManifestError(f"{where}/{PROVENANCE} has lines for photos that were not published")
    quarantined = sum(line.kind == "group" for line in read_quarantine(store, key, manifest))
    counts = manifest.counts
    counted = (counts.groups_published, counts.photos_published, counts.groups_quarantined)
    if counted != (groups, photos, quarantined):
        raise ManifestError(
            f"{store.uri_of(key)} counts {counted} groups, photos and quarantined groups; "
            f"there are {(groups, photos, quarantined)}"
        )
    if (counts.groups, counts.photos) != (groups + quarantined, photos + counts.photos_quarantined):
        raise ManifestError(f"{store.uri_of(key)} has counts that do not add up")


def _check_pointer(store: Store, manifest: RunManifest, digest: str) -> None:
    """A pointer that is damaged otherwise is none of the run's, and the mission's next run sets it right."""
    key = latest_key(manifest.mission)
    with suppress(ObjectMissing, ObjectCorrupt, RecordError):
        latest = parse(Latest, store.read(key), store.uri_of(key))
        if latest.run_id == manifest.run_id and latest.sha256 != digest:
            raise ManifestError(
                f"{store.uri_of(key)} was changed: it names this run with sha256 {latest.sha256}, and its manifest has "
                f"{digest}; the next run of the mission sets it right"
            )


def check_names(files: Sequence[FileEntry], expected: Sequence[str], store: Store, key: str) -> None:
    """A file that is listed and not read would be vouched for by nobody. Raises ManifestError."""
    for name in expected:
        entry_of(files, name, store, key)
    listed = [entry.name for entry in files]
    if listed != list(expected):
        raise ManifestError(f"{store.uri_of(key)} lists {', '.join(listed)}; a run has {', '.join(expected)}")


def check_layout(mission: str, run_id: str, key: str, store: Store) -> None:
    """A manifest lies where what it says belongs. Raises ManifestError."""
    stage = key.partition("/")[0]
    if key != f"{stage}/{mission}/runs/{run_id}/{MANIFEST}":
        raise ManifestError(f"{store.uri_of(key)} is of mission {mission!r}, run {run_id}: it does not belong there")
