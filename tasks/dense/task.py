"""Prefect's view of dense captions: find, plan, caption a shard, publish, report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from blocks.store import Store
from blocks.stores import open_store
from configs.dense import DenseCaptionConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.checkpoints.spec import engine_spec, text_settings
from tasks.common.progress import Progress
from tasks.common.retry import INFERRING, RETRIED
from tasks.dense.answers import read_dense_key, score_run
from tasks.dense.discover import find_photos as find
from tasks.dense.infer import Seen, caption_photos, decoding_of
from tasks.dense.keys import CAPTIONS, REJECTED, caption_run_folder, overlay_key
from tasks.dense.parse import PARSE_VERSION, parse_caption
from tasks.dense.pictures import overlay_png
from tasks.dense.prompts import dense_prompt
from tasks.dense.publish import Draw, PublishedCaptions, publish_captions
from tasks.dense.records import Captioned, CaptionRecord, RejectedRecord
from tasks.dense.report import captions_markdown, rejected_rows
from tasks.dense.score import Score
from tasks.engines.open import close_engine, open_engine
from tasks.engines.task import warnings_in_run
from tasks.records.errors import EngineError
from tasks.records.jsonl import read_lines
from tasks.records.photos import Photo, on_one_line
from tasks.records.prompts import Prompt
from tasks.records.work import Identity
from tasks.runs.report import safe
from tasks.runs.task import shown_if_possible

_LOGGED = 20
_SAMPLES = 12


@dataclass(frozen=True, slots=True)
class CaptionPlan:
    """What all captions of a run have in common: the photo set's name in the store, prompt and identity."""

    name: str
    prompt: Prompt
    identity: Identity


@task(name="find-photos", cache_policy=NO_CACHE, **RETRIED)
def find_photos(config: DenseCaptionConfig) -> list[Photo]:
    """All photos below the input root, in natural order. Raises NothingToDo or StoreError."""
    root = open_store(config.input_root, config.s3)
    root.check()
    open_store(config.store, config.s3).check(write=True)
    photos, ignored = find(root)
    get_run_logger().info("found %d photos, ignored %d other files", len(photos), ignored)
    return photos


def plan_captions(config: DenseCaptionConfig, checkpoint: Checkpoint) -> CaptionPlan:
    """Name and identity of a run's captions. Without a name it is that of the input root's folder."""
    prompt = dense_prompt()
    settings = {
        "rules": PARSE_VERSION,
        **text_settings(config.model, config.engine, checkpoint.dtype),
        "dense": config.dense.model_dump(mode="json"),
    }
    identity = Identity(prompt.digest, checkpoint.fingerprint, checkpoint.adapter_fingerprints, settings)
    return CaptionPlan(config.name or PurePosixPath(config.input_root.rstrip("/")).name or "photos", prompt, identity)


@task(
    name="caption-shard",
    task_run_name="caption-shard-{number}",
    cache_policy=NO_CACHE,
    **INFERRING,
)
def caption_shard(
    number: int,
    photos: tuple[Photo, ...],
    plan: CaptionPlan,
    config: DenseCaptionConfig,
    checkpoint: Checkpoint,
    progress: Progress,
) -> list[Seen]:
    """Caption the photos of a shard, the `number`-th of the run, and store each. Raises EngineError or StoreError."""
    attempt, began = progress.attempt(), time.monotonic()
    progress.start()
    spec = engine_spec(checkpoint, config.model, config.engine, config.inputs, config.device)
    try:
        with warnings_in_run():
            seen = caption_photos(
                photos,
                open_store(config.input_root, config.s3),
                open_store(config.store, config.s3),
                plan.name,
                plan.identity,
                plan.prompt,
                decoding_of(config.dense),
                config.inputs,
                lambda: open_engine(spec),
                attempt.advance,
            )
    except Exception as error:
        attempt.take_back()
        if isinstance(error, EngineError) and error.retryable:
            close_engine(spec)  # the next try starts with a fresh one
        raise
    log = get_run_logger()
    for one in [one for one in seen if one.error][:_LOGGED]:
        log.warning("photo %s: %s", on_one_line(one.photo.key), on_one_line(str(one.error)))
    fresh = sum(one.fresh for one in seen)
    log.info("shard %d: %d photos, %d captioned anew, %.1f s", number, len(seen), fresh, time.monotonic() - began)
    return seen


@task(name="publish-captions", cache_policy=NO_CACHE, **RETRIED)
def publish_run(config: DenseCaptionConfig, plan: CaptionPlan, seen: Sequence[Seen]) -> PublishedCaptions:
    """Publish captions and overlays, then the manifest. Raises RecordError or StoreError."""
    store = open_store(config.store, config.s3)
    draw = _drawing(config, plan, store) if config.overlays else None
    published = publish_captions(store, plan.name, plan.identity, seen, draw)
    get_run_logger().info("published %s (sha256 %s)", published.uri, published.sha256[:12])
    return published


@task(name="score-captions", cache_policy=NO_CACHE, **RETRIED)
def score_captions(config: DenseCaptionConfig, plan: CaptionPlan, seen: Sequence[Seen]) -> Score | None:
    """The run's score against the answer key; None without one. Raises InputError or StoreError."""
    if config.dense_key is None:
        return None
    score = score_run(open_store(config.store, config.s3), plan.name, seen, read_dense_key(config.dense_key))
    told = (score.f1, score.desc_accuracy, score.valid, score.photos)
    get_run_logger().info("F1 %.4f at IoU 0.5, %.4f of the descriptions right, %d of %d captions valid", *told)
    return score


@task(name="report", cache_policy=NO_CACHE, persist_result=False)
def report_captions(
    config: DenseCaptionConfig, published: PublishedCaptions, seen: Sequence[Seen], score: Score | None, seconds: float
) -> None:
    """Leave the run's page, and what was rejected, in Prefect's UI."""
    store, manifest = open_store(config.store, config.s3), published.manifest
    folder = caption_run_folder(manifest.name, manifest.run_id)
    with store.open(f"{folder}/{CAPTIONS}") as lines:
        samples = [record for _, record in islice(read_lines(CaptionRecord, lines, CAPTIONS), _SAMPLES)]
    inferred = sum(one.fresh for one in seen)
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


def _drawing(config: DenseCaptionConfig, plan: CaptionPlan, store: Store) -> Draw:
    root = open_store(config.input_root, config.s3)
    font = Path(config.font) if config.font else None

    def draw(run_id: str, one: Seen, outcome: Captioned) -> None:
        key = overlay_key(plan.name, run_id, one.photo.key)
        if store.stat(key) is None:
            store.write(key, overlay_png(root.read(one.photo.key), parse_caption(outcome.text), config.inputs, font))

    return draw
