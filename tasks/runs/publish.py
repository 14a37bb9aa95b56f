"""Publish a run: its files first, its manifest last. Knows no pointer, no engine and no Prefect.

The run's id is made from the manifest's content, so that the same inputs and settings are the same run, in the same
place, byte for byte; publishing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blocks.store import Store
from configs.parts import PublishingConfig
from tasks.ledger.groups import State
from tasks.ledger.ledger import Ledger
from tasks.records.errors import TooMuchQuarantined
from tasks.records.stage_a import Counts, RunManifest
from tasks.records.work import Identity
from tasks.runs.assemble import assemble
from tasks.runs.files import JsonlWriter, LocalFile
from tasks.runs.keys import PROVENANCE, QUARANTINE, records_name, run_folder, stage_a_folder
from tasks.runs.manifest import PublishedRun, put_run, versions, with_run_id


@dataclass(frozen=True, slots=True)
class RunInput:
    """What a run is beside its groups and outcomes: whose texts these are, and what becomes of a group with a bad
    photo."""

    mission: str
    no_mission: bool
    identity: Identity
    config: PublishingConfig
    ignore_markers: bool = False


@dataclass(frozen=True, slots=True)
class Validated:
    """A run of which every photo is accounted for, ready to be published.

    With an answer key, `exact` of the `answered` photos have exactly the summary that the key gives.
    """

    input: RunInput
    answered: int = 0
    exact: int = 0

    @property
    def exact_match(self) -> float | None:
        """Share of exact summaries, 0 to 1; None without answers."""
        return self.exact / self.answered if self.answered else None


Published = PublishedRun[RunManifest]
"""A published run of Stage-A."""


def publish(store: Store, run: RunInput, ledger: Ledger, confirm: Callable[[], None] = lambda: None) -> Published:
    """Write the run's files, then its manifest. `confirm` is called before anything of it can be seen and may raise.

    Raises TooMuchQuarantined when more groups are quarantined than the run allows: then the quarantine is in the run's
    folder and nothing else. Raises Unaccounted, StoreError or what `confirm` raises; then no manifest is there.
    """
    files, counts = _write_files(run, ledger)
    manifest = _manifest(run, counts, files)
    folder = stage_a_folder(run.mission)
    confirm()
    limit = run.config.max_quarantine_fraction
    if counts.groups_quarantined > limit * counts.groups:
        place = run_folder(folder, manifest.run_id)
        next(file for file in files if file.entry.name == QUARANTINE).put(store, place)
        raise TooMuchQuarantined(
            f"{counts.groups_quarantined} of {counts.groups} groups are quarantined, more than the fraction of "
            f"{limit:g} that a run may lose; nothing is published and the mission's pointer stays; look at "
            f"{store.uri_of(f'{place}/{QUARANTINE}')}, mend what it names and run again, or raise "
            "publishing.max_quarantine_fraction",
            f"{place}/{QUARANTINE}",
        )
    return put_run(store, folder, manifest.run_id, manifest, files)


def _write_files(run: RunInput, ledger: Ledger) -> tuple[list[LocalFile], Counts]:
    records, provenance = JsonlWriter(records_name(run.mission)), JsonlWriter(PROVENANCE)
    quarantine = JsonlWriter(QUARANTINE)
    groups = published = partial = photos = photos_published = 0
    for entry in ledger.groups.entries(State.ACCEPTED, State.REJECTED):
        group = assemble(
            entry,
            run.identity,
            ledger.works.outcome,
            ignore_markers=run.ignore_markers,
            partial=run.config.partial_groups == "publish",
        )
        groups += 1
        photos += len(entry.group.photos) + (len(entry.lines) if entry.state is State.ACCEPTED else 0)
        if group.record is not None:
            records.write([group.record])
            provenance.write(group.provenance)
            published += 1
            partial += bool(group.quarantine)
            photos_published += len(group.provenance)
        quarantine.write(group.quarantine)
    counts = Counts(
        groups=groups,
        groups_published=published,
        groups_partial=partial,
        groups_quarantined=groups - published,
        photos=photos,
        photos_published=photos_published,
        photos_quarantined=photos - photos_published,
        unique_photos=ledger.works.count(),
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
        versions=versions(),
        counts=counts,
        files=tuple(file.entry for file in files),
    )
    return with_run_id(manifest)
