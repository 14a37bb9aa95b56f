"""Dense captions: a folder of photos in, every object of each with its place out. Knows the order of the steps.

find photos -> resolve checkpoint -> caption shards -> publish captions and overlays -> score -> report
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from prefect.utilities.annotations import opaque

from blocks.standalone import flow
from configs.dense import DenseCaptionConfig
from configs.parameters import given, parameters_of
from configs.settings import load
from flows.fleet import holding_slots, on_device
from flows.healing import leave_trace, stop_if_hopeless
from flows.printing import escape_logs
from flows.shown import checkpoint_of, shown_progress
from tasks.checkpoints.task import resolve_checkpoint
from tasks.common.batches import batches
from tasks.dense.publish import PublishedCaptions
from tasks.dense.score import Score
from tasks.dense.task import (
    caption_shard,
    find_photos,
    plan_captions,
    publish_run,
    report_captions,
    score_captions,
)
from tasks.engines.task import check_server


def _run_name() -> str:
    from prefect.runtime import flow_run

    told = flow_run.parameters
    return f"{told.get('name') or told.get('input_root') or 'dense-caption'} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


@flow(name="dense-caption", flow_run_name=_run_name, on_failure=[leave_trace], on_crashed=[leave_trace])
@parameters_of(DenseCaptionConfig)
def dense_caption(*, profile: str | None = None, **parameters: Any) -> dict[str, Any]:
    """Caption every photo of a folder densely, and publish captions and overlays.

    What is not given comes from the environment (`FIELDCHECK_...`), `.env`, the profile, or the default.

    Returns:
        manifest (URI), sha256, fresh, photos, captioned, rejected, objects, inferred, seconds and, with an answer key,
        f1, precision, recall, desc_accuracy and valid.
    """
    escape_logs()
    stop_if_hopeless()
    config = load(DenseCaptionConfig, given(parameters), profile, checkpoint_of)
    began = time.monotonic()
    if config.engine.kind == "endpoint":
        check_server(config.engine.endpoint)

    photos = find_photos(config)
    resolved = resolve_checkpoint(config, config.device)
    plan = plan_captions(config, resolved)
    with holding_slots(config.slots), shown_progress(config.name or config.input_root, len(photos)) as progress:
        shards = enumerate(batches(photos, lambda: config.shard_photos), start=1)
        caption = on_device(caption_shard)
        parts = [caption(n, opaque(shard), plan, config, resolved, progress) for n, shard in shards]
    seen = [one for part in parts for one in part]
    published = publish_run(config, plan, opaque(seen))
    score = score_captions(config, plan, opaque(seen))

    seconds = time.monotonic() - began
    report_captions(config, published, opaque(seen), score, seconds)
    return _summary(published, sum(one.fresh for one in seen), score, seconds)


def _summary(published: PublishedCaptions, inferred: int, score: Score | None, seconds: float) -> dict[str, Any]:
    summary = {
        "manifest": published.uri,
        "sha256": published.sha256,
        "fresh": published.fresh,
        **published.manifest.counts.model_dump(),
        "inferred": inferred,
        "seconds": round(seconds, 2),
    }
    if score is None:
        return summary
    rates = {"f1": score.f1, "precision": score.precision, "recall": score.recall, "desc_accuracy": score.desc_accuracy}
    return {**summary, **{name: round(rate, 4) for name, rate in rates.items()}, "valid": score.valid}
