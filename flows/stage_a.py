"""Stage-A: photos of a mission in, a published and handed-off run out. Knows the order of the steps, not their inside.

hold mission -> verify inputs -> resolve checkpoint -> plan shards -> infer shards -> validate run -> publish
-> hand off to Stage-B
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from blocks.model_checkpoint import checkpoint_of
from blocks.standalone import flow
from configs.parameters import given, parameters_of
from configs.settings import load
from configs.stage_a import StageAConfig
from flows.crash_recovery import leave_trace, stop_if_crashing
from flows.distribute import infer_all
from flows.hand_off import hand_off_run, stage_b_inline
from flows.printing import escape_logs
from flows.progress_artifact import shown_progress
from tasks.checkpoints.task import resolve_checkpoint
from tasks.engines.task import check_server
from tasks.inputs.task import verify_inputs as verify_inputs_task
from tasks.ledger.ledger import Ledger
from tasks.reports.task import record_history
from tasks.runs.publish import Published, Validated
from tasks.runs.report import throughput
from tasks.runs.shards import Receipt
from tasks.runs.task import (
    carry_over_run,
    end_forced_run,
    holding_mission,
    publish_run,
    report_run,
)
from tasks.summaries.kind import summaries_of, work_items
from tasks.summaries.task import check_carried, validate_run
from tasks.work.plan import Plan
from tasks.work.task import plan_run


def _run_name() -> str:
    from prefect.runtime import flow_run

    return f"{flow_run.parameters.get('mission') or 'stage-a'} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


@flow(name="stage-a", flow_run_name=_run_name, on_failure=[leave_trace], on_crashed=[leave_trace])
@parameters_of(StageAConfig)
def stage_a(*, profile: str | None = None, **parameters: Any) -> dict[str, Any]:
    """Summarise every photo of a mission, publish the run and hand it to Stage-B.

    What is not given comes from the environment (`FIELDCHECK_...`), `.env`, the profile, or the default.

    Returns:
        manifest (URI), sha256, fresh (whether it was not there before), groups, photos, quarantined (groups), inferred
        and reused (different photos), seconds, photos_per_second, stage_b and, with an answer key, exact_match and
        answered (photos).
    """
    escape_logs()
    stop_if_crashing()
    config = load(StageAConfig, given(parameters), profile, checkpoint_of)
    began = time.monotonic()
    if config.engine.kind == "endpoint":
        check_server(config.engine.endpoint)

    with holding_mission(config) as (held, latest), Ledger() as ledger:
        carried = carry_over_run(config, ledger) if config.requeue else None
        report = verify_inputs_task(
            config.input_root,
            config.s3,
            config.mission,
            config.inputs,
            ledger,
            carried and carried.folders,
            headers=config.verify_inputs,
            partial=config.publishing.partial_groups == "publish",
        )
        resolved = resolve_checkpoint(config, config.fleet[0])
        kind = summaries_of(config, resolved)
        if carried is not None:
            check_carried(kind.identity, carried)
        plan = plan_run(
            config, kind, ledger.works, lambda: work_items(ledger.groups, kind.identity), (report, resolved)
        )
        with shown_progress(config.mission, plan.pending) as progress:
            receipts = infer_all(config, plan, ledger.works, resolved, progress, held.watch)
        validated = validate_run(config, plan, ledger, receipts)
        published = publish_run(config, validated, ledger, held, latest)

    seconds = time.monotonic() - began
    report_run(config, published, receipts, plan.reused, validated.exact_match, seconds, report.told)
    alert_above = config.publishing.alert_quarantine_fraction
    record_history(config.mission, published, receipts, plan.reused, seconds, alert_above)
    handed = hand_off_run(config, published) or stage_b_inline(config, published, profile)
    if config.force:
        end_forced_run(config.store, config.s3, kind.folder, kind.identity.digest)
    return _summary(published, receipts, plan, validated, seconds, handed)


def _summary(
    published: Published,
    receipts: list[Receipt],
    plan: Plan,
    validated: Validated,
    seconds: float,
    handed: dict[str, Any],
) -> dict[str, Any]:
    counts = published.manifest.counts
    inferred, rate = throughput(receipts)
    summary = {
        "manifest": published.uri,
        "sha256": published.sha256,
        "fresh": published.fresh,
        "groups": counts.groups,
        "photos": counts.photos,
        "quarantined": counts.groups_quarantined,
        "inferred": inferred,
        "reused": plan.reused,
        "seconds": round(seconds, 2),
        "photos_per_second": round(rate, 2),
        "stage_b": handed,
    }
    if validated.exact_match is None:
        return summary
    return {**summary, "exact_match": round(validated.exact_match, 4), "answered": validated.answered}
