"""Carry a published run over, so that only what was quarantined is looked at again. Knows no input root, no engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from blocks.errors import ObjectMissing
from blocks.store import Store
from tasks.ledger.groups import Groups, State
from tasks.records.errors import InputError
from tasks.records.photos import Group, Photo
from tasks.records.stage_a import Provenance, RunManifest, StageARecord
from tasks.runs.check import read_manifest, read_provenance, read_quarantine, read_records
from tasks.runs.keys import MANIFEST, QUARANTINE
from tasks.runs.pointer import current


@dataclass(frozen=True, slots=True)
class Carried:
    """What was carried over: the run's manifest, how many groups, and the folders of those to look at again."""

    manifest: RunManifest
    groups: int
    folders: tuple[str, ...]


def carry_over(store: Store, key: str, groups: Groups) -> Carried:
    """Put the published groups of the run whose quarantine has this key into the ledger, accepted as they were.

    Groups with a line in the quarantine are left out, those that were published in part too. Raises InputError when the
    run was not published, or is not the mission's newest: then what it published is not what the next run should say.
    Raises ManifestError, RecordError or StoreError when it cannot be read.
    """
    manifest_key = f"{key.rpartition('/')[0]}/{MANIFEST}"
    try:
        manifest, _ = read_manifest(store, manifest_key)
    except ObjectMissing as error:
        raise InputError(
            f"{store.uri_of(key)} is of a run that was not published; run stage-a again: what was summarised is not "
            "inferred again"
        ) from error
    newest = current(store, manifest.mission)
    if newest is None or newest.run_id != manifest.run_id:
        newer = f"requeue {store.uri_of(newest.manifest.rpartition('/')[0])}/{QUARANTINE}, or " if newest else ""
        raise InputError(f"{store.uri_of(key)} is not of the mission's newest run; {newer}run stage-a again")
    folders = {_folder(line.key or "", line.kind) for line in read_quarantine(store, manifest_key, manifest)}
    carried = 0
    provenance = read_provenance(store, manifest_key, manifest)
    for _, record in read_records(store, manifest_key, manifest):
        group = _group(record, islice(provenance, len(record.images)))
        if group.folder not in folders:
            groups.add(group, State.ACCEPTED)
            carried += 1
    return Carried(manifest, carried, tuple(sorted(folders)))


def _folder(key: str, kind: str) -> str:
    return key if kind == "group" else key.rpartition("/")[0]


def _group(record: StageARecord, provenance: Iterator[Provenance]) -> Group:
    photos = tuple(
        Photo(name=line.name, key=line.key, size=line.size, sha256=line.sha256, width=line.width, height=line.height)
        for line in provenance
    )
    return Group(
        group_id=record.group_id,
        mission=record.mission,
        label=record.label,
        photos=photos,
        marked=record.stage_a_complete,
        folder=photos[0].key.rpartition("/")[0],
    )
