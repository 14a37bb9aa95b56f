"""Dense captions: a folder of photos in, every object of each with its place out. Knows the order of the steps.

hold photo set -> find photos -> resolve checkpoint -> plan shards -> infer shards -> publish captions and overlays
-> score -> report
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from blocks.model_checkpoint import checkpoint_of
from blocks.standalone import flow
from configs.dense import DenseCaptionConfig
from configs.parameters import given, parameters_of
from configs.settings import load
from flows.crash_recovery import leave_trace, stop_if_crashing
from flows.distribute import infer_all
from flows.printing import escape_logs
from flows.progress_artifact import shown_progress
from tasks.checkpoints.task import resolve_checkpoint
from tasks.dense.keys import captions_folder
from tasks.dense.kind import Captions, captions_of, photo_set_name, work_items
from tasks.dense.publish import PublishedCaptions
from tasks.dense.score import Score
from tasks.dense.task import find_photos, publish_run, report_captions, score_captions
from tasks.engines.task import check_server
from tasks.ledger.ledger import Ledger
from tasks.runs.report import throughput
from tasks.runs.task import end_forced_run, holding
from tasks.work.task import plan_run


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
        manifest (URI), sha256, fresh, photos, captioned, rejected, objects, inferred, reused, seconds and, with an
        answer key, f1, precision, recall, desc_accuracy and valid.
    """
    escape_logs()
    stop_if_crashing()
    config = load(DenseCaptionConfig, given(parameters), profile, checkpoint_of)
    began = time.monotonic()
    if config.engine.kind == "endpoint":
        check_server(config.engine.endpoint)

    name = photo_set_name(config)
    of = f"photo set {name}"
    with (
        holding(config.store, config.s3, config.lease, captions_folder(name), of) as held,
        Ledger(Captions.record) as ledger,
    ):
        found = find_photos(config, ledger)
        resolved = resolve_checkpoint(config, config.fleet[0])
        kind = captions_of(config, resolved)
        plan = plan_run(config, kind, ledger.works, lambda: work_items(ledger.photos, kind.identity), (found, resolved))
        with shown_progress(name, plan.pending) as progress:
            receipts = infer_all(config, plan, ledger.works, resolved, progress, held.watch)
        published = publish_run(config, plan, ledger, receipts, held)
        score = score_captions(config, plan, ledger)

    seconds = time.monotonic() - began
    inferred, _ = throughput(receipts)
    report_captions(config, published, inferred, score, seconds)
    if config.force:
        end_forced_run(config.store, config.s3, kind.folder, kind.identity.digest)
    return _summary(published, inferred, plan.reused, score, seconds)


def _summary(
    published: PublishedCaptions, inferred: int, reused: int, score: Score | None, seconds: float
) -> dict[str, Any]:
    summary = {
        "manifest": published.uri,
        "sha256": published.sha256,
        "fresh": published.fresh,
        **published.manifest.counts.model_dump(),
        "inferred": inferred,
        "reused": reused,
        "seconds": round(seconds, 2),
    }
    if score is None:
        return summary
    rates = {"f1": score.f1, "precision": score.precision, "recall": score.recall, "desc_accuracy": score.desc_accuracy}
    return {**summary, **{name: round(rate, 4) for name, rate in rates.items()}, "valid": score.valid}
