"""Prefect's view of publishing and of checking a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import httpx
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from blocks.errors import StoreError, StoreGivenUp
from blocks.store import Store
from blocks.stores import open_store
from configs.missions import known_missions
from configs.parts import LeaseConfig
from configs.stage_a import StageAConfig, split_quarantine_uri
from configs.stores import S3Options
from tasks.common.retry import RETRIED
from tasks.ledger.ledger import Ledger
from tasks.records.errors import TooMuchQuarantined
from tasks.records.jsonl import read_lines
from tasks.records.stage_a import Latest, QuarantineEntry, RunManifest
from tasks.runs.check import check_run, read_quarantine, read_records
from tasks.runs.forced import end_forced
from tasks.runs.keys import split_manifest_uri, stage_a_folder, stage_b_folder
from tasks.runs.lease import Lease
from tasks.runs.newest import manifest_of
from tasks.runs.pointer import look, point_to
from tasks.runs.publish import Published, Validated, publish
from tasks.runs.report import quarantine_rows, run_markdown, safe
from tasks.runs.requeue import Carried, carry_over
from tasks.runs.shards import Receipt
from tasks.runs.verified_files import Checked

_SAMPLES = 6
_LEFT_SECONDS = 86_400.0
"""Age from which an unfinished file is nobody's: an upload writes to it all the time."""


@dataclass(frozen=True, slots=True)
class Held:
    """A folder of the store that is ours for now: `confirm` raises Superseded once it is not, and so does `watch`,
    which only looks."""

    confirm: Callable[[], None]
    watch: Callable[[], None]


@contextmanager
def holding(
    store: str, s3: S3Options, lease: LeaseConfig, folder: str, of: str, beside: tuple[str, ...] = ()
) -> Iterator[Held]:
    """Keep other runs out of a folder while the block runs; wait for one that is under way. `of` says for people what
    is held, such as `mission X`. What killed writers left in the folder, and in those `beside` it, is swept.

    Raises MissionBusy when the wait is over, and StoreError: a store that takes no objects is found out here and not
    after an hour on the GPU.
    """
    kept = open_store(store, s3)
    kept.check(write=True)
    # A heartbeat that is tried for minutes could land on a new holder's lock.
    most = lease.lease_seconds / 4
    hasty = {
        "deadline": min(most, s3.deadline),
        "connect_timeout": min(most, s3.connect_timeout),
        "read_timeout": min(most, s3.read_timeout),
        "max_attempts": 1,
    }
    with Lease(
        open_store(store, s3.model_copy(update=hasty)),
        folder,
        of=of,
        run=str(flow_run.name or ""),
        wait_seconds=lease.wait_seconds,
        lease_seconds=lease.lease_seconds,
        on_wait=get_run_logger().info,
    ) as held:
        _sweep(kept, (folder, *beside))
        yield Held(partial(_confirm, held, s3.deadline), held.watch)


@contextmanager
def holding_mission(config: StageAConfig) -> Iterator[tuple[Held, Latest | None]]:
    """Hold a mission, and what its pointer was when it was taken. Raises what `holding` does."""
    of = f"mission {config.mission}"
    folder, beside = stage_a_folder(config.mission), (stage_b_folder(config.mission),)
    with holding(config.store, config.s3, config.publishing, folder, of, beside) as held:
        pointer = look(open_store(config.store, config.s3), config.mission)
        if pointer.fault is not None:
            get_run_logger().warning("%s: this run sets it right", pointer.fault)
        yield held, pointer.latest


def _sweep(store: Store, folders: Iterable[str]) -> None:
    """Remove what writers that were killed more than a day ago left in these folders. They are ours, but not each of
    their writers is a run: somebody copies them, or checks them."""
    try:
        swept = sum(store.sweep(folder, _LEFT_SECONDS) for folder in folders)
    except StoreError as error:
        get_run_logger().info("what killed writers left is not swept: %s", error)
    else:
        if swept:
            get_run_logger().info("removed %d unfinished files of writers that were killed", swept)


def _confirm(lease: Lease, deadline: float) -> None:
    """`lease.confirm`, for as long as any other operation on the store is tried."""
    give_up_at = time.monotonic() + deadline
    while True:
        try:
            return lease.confirm()
        except StoreGivenUp:
            if time.monotonic() >= give_up_at:
                raise


@task(name="carry-over", cache_policy=NO_CACHE, **RETRIED)
def carry_over_run(config: StageAConfig, ledger: Ledger) -> Carried:
    """Take the published groups of the run that is requeued into the ledger.

    Raises InputError, ManifestError, RecordError or StoreError.
    """
    _, _, key = split_quarantine_uri(config.requeue or "")
    ledger.groups.forget_found(carried=False)
    carried = carry_over(open_store(config.store, config.s3), key, ledger.groups)
    get_run_logger().info(
        "%d groups carried over from run %s, %d to look at again",
        carried.groups,
        carried.manifest.run_id,
        len(carried.folders),
    )
    return carried


@task(name="publish-run", cache_policy=NO_CACHE, **RETRIED)
def publish_run(config: StageAConfig, run: Validated, ledger: Ledger, held: Held, latest: Latest | None) -> Published:
    """Write the run and move the mission's pointer, which was `latest` when the mission was taken.

    Raises TooMuchQuarantined, Superseded or StoreError.
    """
    log = get_run_logger()
    store = open_store(config.store, config.s3)
    try:
        published = publish(store, run.input, ledger, held.confirm)
    except TooMuchQuarantined as error:
        if config.force:
            # It did its work, and this is what came of it.
            end_forced(store, stage_a_folder(config.mission), run.input.identity.digest)
        with store.open(error.quarantine) as stream:
            lines = read_lines(QuarantineEntry, stream, store.uri_of(error.quarantine))
            _show_quarantine(config.mission, (entry for _, entry in lines), "a refused run")
        raise
    moved = point_to(store, published, latest, held.confirm)
    log.info(
        "%s %s, number %d of the mission",
        "published" if published.fresh else "unchanged:",
        published.uri,
        moved.sequence,
    )
    return published


@task(name="end-forced", cache_policy=NO_CACHE, **RETRIED)
def end_forced_run(store: str, s3: S3Options, folder: str, identity: str) -> None:
    """Let the next forced run begin anew: the very last step, so that one that is killed before it goes on.

    Raises StoreError.
    """
    end_forced(open_store(store, s3), folder, identity)


@task(name="report-run", cache_policy=NO_CACHE, **RETRIED)
def report_run(
    config: StageAConfig,
    published: Published,
    receipts: Sequence[Receipt],
    reused: int,
    exact_match: float | None,
    seconds: float,
    notes: Sequence[str] = (),
) -> None:
    """Show the run in Prefect's UI: a page, and a table of what was quarantined. Raises StoreError."""
    store = open_store(config.store, config.s3)
    manifest = published.manifest
    records = read_records(store, published.key, manifest)
    samples = [record for (_, record), _ in zip(records, range(_SAMPLES), strict=False)]
    with shown_if_possible():
        create_markdown_artifact(
            key=f"stage-a-{mission_slug(config.mission)}",
            markdown=run_markdown(
                published, receipts, reused, _quarantine(store, published), samples, exact_match, seconds, notes
            ),
            description=f"Stage-A: {safe(config.mission)}",
        )
    if manifest.counts.groups_quarantined or manifest.counts.groups_partial:
        _show_quarantine(config.mission, _quarantine(store, published), f"run {manifest.run_id}")


@contextmanager
def shown_if_possible() -> Iterator[None]:
    """Let what is only shown fail: a run does not depend on whether somebody can look at it."""
    try:
        yield
    except httpx.HTTPError as error:
        get_run_logger().warning("the Prefect API does not answer (%s): something is not shown", type(error).__name__)


def _quarantine(store: Store, published: Published) -> Iterator[QuarantineEntry]:
    return read_quarantine(store, published.key, published.manifest)


def _show_quarantine(mission: str, entries: Iterable[QuarantineEntry], of: str) -> None:
    with shown_if_possible():
        create_table_artifact(
            key=f"stage-a-{mission_slug(mission)}-quarantine",
            table=quarantine_rows(entries),
            description=f"Quarantine of {safe(mission)}, {of}",
        )


def flow_run_page(run: object) -> str:
    """Where a person sees a flow run, by its id; a path where no UI is known."""
    return f"{(get_current_settings().ui_url or '').rstrip('/')}/runs/flow-run/{run}"


def mission_slug(mission: str) -> str:
    """A mission's name as keys of artifacts can have it."""
    known = known_missions().get(mission)
    return known.slug if known else "other"


@task(name="find-newest", cache_policy=NO_CACHE, **RETRIED)
def find_newest(uri: str, s3: S3Options) -> str:
    """The manifest that a URI stands for, see `manifest_of`. Raises ManifestError or StoreError."""
    found = manifest_of(uri, partial(open_store, options=s3))
    get_run_logger().info("%s is %s", uri, found)
    return found


@task(name="check-manifest", cache_policy=NO_CACHE, **RETRIED)
def check_manifest(manifest: str, sha256: str | None, s3: S3Options) -> Checked[RunManifest]:
    """Re-read a published run of Stage-A, every digest and record. Raises ManifestError, RecordError or StoreError."""
    root, key = split_manifest_uri(manifest)
    checked = check_run(open_store(root, s3), key, sha256)
    get_run_logger().info("%s: %d objects, %d records check out", manifest, checked.objects, checked.records)
    return checked
