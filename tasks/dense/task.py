"""Prefect's view of dense captions: find the photos, validate what was captioned, publish, report."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from blocks.store import Store
from blocks.stores import open_store
from configs.dense import DenseCaptionConfig
from tasks.common.progress import counted
from tasks.common.retry import RETRIED
from tasks.dense.answers import read_dense_key, score_run
from tasks.dense.discover import Found
from tasks.dense.discover import find_photos as find
from tasks.dense.keys import CAPTIONS, REJECTED, caption_run_folder, overlay_key
from tasks.dense.kind import photo_set_name
from tasks.dense.parse import parse_caption
from tasks.dense.pictures import overlay_png
from tasks.dense.publish import Draw, PublishedCaptions, publish_captions
from tasks.dense.records import Captioned, CaptionRecord, RejectedRecord
from tasks.dense.report import captions_markdown, rejected_rows
from tasks.dense.score import Score
from tasks.ledger.ledger import Ledger
from tasks.records.jsonl import read_lines
from tasks.records.photos import Photo, on_one_line
from tasks.runs.report import safe
from tasks.runs.shards import Receipt
from tasks.runs.task import Held, shown_if_possible
from tasks.work.plan import Plan
from tasks.work.task import collect

_LOGGED = 20
_LOG_SECONDS = 30.0
_SAMPLES = 12


@task(name="find-photos", cache_policy=NO_CACHE, **RETRIED)
def find_photos(config: DenseCaptionConfig, ledger: Ledger) -> Found:
    """Put all photos below the input root into the ledger, looked at. Raises NothingToDo or StoreError."""
    log = get_run_logger()
    root = open_store(config.input_root, config.s3)
    root.check()
    found = find(
        root, ledger.photos, config.inputs, counted(lambda done: log.info("looked at %d photos", done), _LOG_SECONDS)
    )
    log.info("found %d photos, ignored %d other files", found.photos, found.ignored)
    bad = ((entry.photo, entry.error) for entry in ledger.photos.entries() if entry.error is not None)
    for photo, error in islice(bad, _LOGGED):
        log.warning("photo %s: %s", on_one_line(photo.key), on_one_line(str(error)))
    if found.rejected > _LOGGED:
        log.warning("%d photos cannot be used in all; each is among the rejected", found.rejected)
    return found


@task(name="publish-captions", cache_policy=NO_CACHE, **RETRIED)
def publish_run(
    config: DenseCaptionConfig, plan: Plan, ledger: Ledger, receipts: Sequence[Receipt], held: Held
) -> PublishedCaptions:
    """Read this run's shards back, then publish captions and overlays, and the manifest last.

    Raises Unaccounted, RecordError, Superseded or StoreError.
    """
    collect(config, plan.kind, ledger.works, receipts)
    store, name = open_store(config.store, config.s3), photo_set_name(config)
    draw = _drawing(config, name, store) if config.overlays else None
    published = publish_captions(store, name, plan.kind.identity, ledger, draw, held.confirm)
    get_run_logger().info("published %s (sha256 %s)", published.uri, published.sha256[:12])
    return published


@task(name="score-captions", cache_policy=NO_CACHE, **RETRIED)
def score_captions(config: DenseCaptionConfig, plan: Plan, ledger: Ledger) -> Score | None:
    """The run's score against the answer key; None without one. Raises InputError."""
    if config.dense_key is None:
        return None
    score = score_run(ledger, plan.kind.identity, read_dense_key(config.dense_key))
    get_run_logger().info(
        "F1 %.4f at IoU 0.5, %.4f of the descriptions right, %d of %d captions valid",
        score.f1,
        score.desc_accuracy,
        score.valid,
        score.photos,
    )
    return score


@task(name="report", cache_policy=NO_CACHE, persist_result=False)
def report_captions(
    config: DenseCaptionConfig, published: PublishedCaptions, inferred: int, score: Score | None, seconds: float
) -> None:
    """Leave the run's page, and what was rejected, in Prefect's UI."""
    store, manifest = open_store(config.store, config.s3), published.manifest
    folder = caption_run_folder(manifest.name, manifest.run_id)
    with store.open(f"{folder}/{CAPTIONS}") as lines:
        samples = [record for _, record in islice(read_lines(CaptionRecord, lines, CAPTIONS), _SAMPLES)]
    with shown_if_possible():
        create_markdown_artifact(
            key="dense-captions",
            markdown=captions_markdown(published, samples, inferred, seconds, score),
            description=f"Dense captions: {safe(manifest.name)}",
        )
    if not manifest.counts.rejected:
        return
    with store.open(f"{folder}/{REJECTED}") as lines, shown_if_possible():
        create_table_artifact(
            key="dense-captions-rejected",
            table=rejected_rows(record for _, record in read_lines(RejectedRecord, lines, REJECTED)),
            description=f"Photos of {safe(manifest.name)} without a caption, run {manifest.run_id}",
        )


def _drawing(config: DenseCaptionConfig, name: str, store: Store) -> Draw:
    root = open_store(config.input_root, config.s3)
    font = Path(config.font) if config.font else None

    def draw(run_id: str, photo: Photo, outcome: Captioned) -> None:
        key = overlay_key(name, run_id, photo.key)
        if store.stat(key) is not None:
            return
        data = root.read(photo.key)
        # On other pixels than the model saw, an overlay would show what is not so.
        if hashlib.sha256(data).hexdigest() == photo.sha256:
            store.write(key, overlay_png(data, parse_caption(outcome.text), config.inputs, font))

    return draw
