"""Publish a run: its files first, its manifest last, then the pointer. Knows no engine and no Prefect.

The run's id is made from the manifest's content, so that the same inputs and settings are the same run, in the same
place, byte for byte; publishing it again changes nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from blocks.errors import ObjectMissing
from blocks.store import Store
from tasks.publishing.assemble import assemble
from tasks.publishing.files import JsonlWriter, LocalFile
from tasks.publishing.keys import MANIFEST, PROVENANCE, QUARANTINE, latest_key, records_name, run_folder
from tasks.publishing.shards import Outcome, Receipt, read_shard
from tasks.records.jsonl import parse, to_line
from tasks.records.photos import Group
from tasks.records.stage_a import Counts, Latest, QuarantineEntry, RunManifest
from tasks.records.work import Identity

VERSIONED = ("fieldcheck", "pillow", "peft", "tokenizers", "torch", "torchvision", "transformers")
"""Packages that can change a text; their versions are in the manifest."""


@dataclass(frozen=True, slots=True)
class RunInput:
    """What a run is made of: the groups that were accepted, the lines of those that were not, and whose texts."""

    mission: str
    no_mission: bool
    groups: Sequence[Group]
    rejected: Sequence[QuarantineEntry]
    rejected_photos: int
    identity: Identity
    ignore_markers: bool = False


@dataclass(frozen=True, slots=True)
class Validated:
    """A run of which every photo is accounted for, ready to be published.

    With an answer key, `exact` of the `answered` photos have exactly the summary that the key gives.
    """

    input: RunInput
    outcomes: Mapping[str, Outcome]
    answered: int = 0
    exact: int = 0

    @property
    def exact_match(self) -> float | None:
        """Share of exact summaries, 0 to 1; None without answers."""
        return self.exact / self.answered if self.answered else None


@dataclass(frozen=True, slots=True)
class Published:
    """A published run. `fresh` is False if the very same run was in the store already, whole."""

    uri: str
    key: str
    sha256: str
    manifest: RunManifest
    fresh: bool


def load_outcomes(store: Store, receipts: Iterable[Receipt]) -> dict[str, Outcome]:
    """The outcomes of all shards by work key. Raises RecordError or StoreError."""
    return {outcome.work_key: outcome for receipt in receipts for outcome in read_shard(store, receipt)}


def publish(store: Store, run: RunInput, outcomes: Mapping[str, Outcome]) -> Published:
    """Write the run's files, then its manifest. Raises Unaccounted or StoreError; then no manifest is there."""
    with tempfile.TemporaryDirectory(prefix="fieldcheck-publish-") as scratch:
        files, counts = _write_files(Path(scratch), run, outcomes)
        manifest = _manifest(run, counts, files)
        folder = run_folder("stage_a", run.mission, manifest.run_id)
        key = f"{folder}/{MANIFEST}"
        data = to_line(manifest)
        fresh = not (_is_there(store, key, data) and all(file.is_in(store, folder) for file in files))
        if fresh:
            for file in files:
                file.upload(store, folder)
            store.write(key, data)
    return Published(store.uri_of(key), key, hashlib.sha256(data).hexdigest(), manifest, fresh)


def point_to(store: Store, published: Published) -> Latest:
    """Make `latest.json` point to a run; nothing changes if it does already. Raises StoreError, or RecordError
    if what is there is not a pointer."""
    key = latest_key(published.manifest.mission)
    before = _read_latest(store, key)
    if before is not None and before.run_id == published.manifest.run_id:
        return before
    latest = Latest(
        run_id=published.manifest.run_id,
        manifest=published.key,
        sha256=published.sha256,
        sequence=before.sequence + 1 if before else 1,
        published_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    store.write(key, to_line(latest))
    return latest


def derive_run_id(manifest: RunManifest) -> str:
    """The id that a manifest's content gives: 16 hex digits of the sha256 of the manifest without an id."""
    return hashlib.sha256(to_line(manifest.model_copy(update={"run_id": ""}))).hexdigest()[:16]


def _write_files(scratch: Path, run: RunInput, outcomes: Mapping[str, Outcome]) -> tuple[list[LocalFile], Counts]:
    records = JsonlWriter(scratch, records_name(run.mission))
    provenance = JsonlWriter(scratch, PROVENANCE)
    quarantine = JsonlWriter(scratch, QUARANTINE)
    lines: list[QuarantineEntry] = list(run.rejected)
    published = published_photos = 0
    for group in assemble(run.groups, run.identity, outcomes, ignore_markers=run.ignore_markers):
        if group.record is not None:
            records.write([group.record])
            provenance.write(group.provenance)
            published += 1
            published_photos += len(group.provenance)
        lines.extend(group.quarantine)
    lines.sort(key=lambda line: (line.group_id, line.label or ""))
    quarantine.write(lines)
    rejected_groups = sum(line.kind == "group" for line in run.rejected)
    photos = sum(len(group.photos) for group in run.groups) + run.rejected_photos
    counts = Counts(
        groups=len(run.groups) + rejected_groups,
        groups_published=published,
        groups_quarantined=len(run.groups) + rejected_groups - published,
        photos=photos,
        photos_published=published_photos,
        photos_quarantined=photos - published_photos,
        unique_photos=len(outcomes),
    )
    return [records.close(), provenance.close(), quarantine.close()], counts


def _manifest(run: RunInput, counts: Counts, files: Sequence[LocalFile]) -> RunManifest:
    manifest = RunManifest(
        run_id="",
        mission=run.mission,
        no_mission=run.no_mission,
        checkpoint=run.identity.checkpoint,
        adapters=run.identity.adapters,
        prompt=run.identity.prompt,
        settings=run.identity.settings,
        versions=_versions(),
        counts=counts,
        files=tuple(file.entry for file in files),
    )
    return manifest.model_copy(update={"run_id": derive_run_id(manifest)})


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in VERSIONED:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _is_there(store: Store, key: str, data: bytes) -> bool:
    try:
        return store.read(key) == data
    except ObjectMissing:
        return False


def _read_latest(store: Store, key: str) -> Latest | None:
    try:
        return parse(Latest, store.read(key), store.uri_of(key))
    except ObjectMissing:
        return None
