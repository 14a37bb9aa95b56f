"""Stage-B: a published Stage-A run in, tickets and verdicts out. Knows the order of the steps, not their inside.

find the newest run, if that is meant -> check manifest -> ingest tickets -> judge them, unless tickets are all that is
wanted -> measure by labels
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.utilities.annotations import opaque

from blocks.model_checkpoint import checkpoint_of
from blocks.standalone import flow
from configs.parameters import given, parameters_of
from configs.settings import load
from configs.stage_b import StageBConfig, place_of
from flows.crash_recovery import leave_trace, stop_if_crashing
from flows.judging import judge_tickets
from flows.printing import escape_logs
from tasks.assurance.records import Metrics, Spent
from tasks.reports.task import measure_judgement
from tasks.runs.task import check_manifest, find_newest
from tasks.tickets.task import ingest_tickets, load_tickets
from tasks.verdicts.identity import stage_a_of


def _run_name() -> str:
    from prefect.runtime import flow_run

    _, mission = place_of(flow_run.parameters.get("manifest"))
    return f"{mission or 'stage-b'} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


@flow(name="stage-b", flow_run_name=_run_name, on_failure=[leave_trace], on_crashed=[leave_trace])
@parameters_of(StageBConfig)
def stage_b(*, handed_by: UUID | None = None, profile: str | None = None, **parameters: Any) -> dict[str, Any]:
    """Check a published Stage-A run, make a ticket of each of its groups, and judge them.

    Args:
        handed_by: Id of the Stage-A flow run that handed the manifest over.

    Returns:
        manifest (URI of that of the tickets), sha256, tickets and source; of a run that judges what `Judged.summary`
        says too.
    """
    escape_logs()
    stop_if_crashing()
    config = load(StageBConfig, given(parameters), profile, checkpoint_of)

    if config.manifest.endswith("/latest.json"):
        config = config.model_copy(update={"manifest": find_newest(config.manifest, config.s3)})
    checked = check_manifest(config.manifest, config.sha256, config.s3)
    ingested = ingest_tickets(config, checked.sha256, handed_by and str(handed_by))

    made = {
        "manifest": ingested.uri,
        "sha256": ingested.sha256,
        "tickets": ingested.tickets,
        "source": config.manifest,
    }
    if not config.judge.enabled:
        return made
    judged = judge_tickets(config, load_tickets(config, ingested), stage_a_of(checked.manifest))
    receipts = judged.receipts
    spent = Spent(
        asked=sum(receipt.inferred for receipt in receipts),
        reused=judged.reused,
        completion_tokens=sum(receipt.completion_tokens for receipt in receipts),
        seconds=round(judged.seconds, 2),
    )
    metrics: Metrics = measure_judgement(
        config.store, config.s3, ingested, config.labels, judged.published, opaque(judged.judgement), spent
    )
    return {**made, **judged.summary(), **_rates(metrics)}


def _rates(metrics: Metrics) -> dict[str, Any]:
    """The rates that everybody asks for; one without a value is left out."""
    rates = {
        "review": metrics.tickets.review,
        "accuracy": metrics.truth.accuracy_decided,
        "false_pass": metrics.truth.false_pass,
    }
    return {name: rate.model_dump(mode="json") for name, rate in rates.items() if rate.value is not None}
