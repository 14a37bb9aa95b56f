"""Prefect's view of a run in its mission's history, and the events that automations and lineage listen to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.events import emit_event
from prefect.runtime import flow_run

from blocks.embedded_server import has_shared_server
from blocks.stores import open_store
from configs.stores import S3Options
from tasks.assurance.evaluate import evaluate
from tasks.assurance.records import Metrics, Spent
from tasks.common.retry import RETRIED
from tasks.records.jsonl import to_line
from tasks.reports.history import RunFigures, figures, history_markdown, history_rows, read_history
from tasks.reports.judgement import judgement_page
from tasks.runs.keys import METRICS, REPORT
from tasks.runs.publish import Published
from tasks.runs.report import safe
from tasks.runs.shards import Receipt
from tasks.runs.task import mission_slug, shown_if_possible
from tasks.tickets.ingest import Ingested
from tasks.tickets.labels import read_labels
from tasks.verdicts.judgement import Judgement
from tasks.verdicts.publish import PublishedJudgement

PUBLISHED = "fieldcheck.stage-a.published"
"""Event of every published run; its resource is the mission, the manifest is related."""

MUCH_QUARANTINED = "fieldcheck.stage-a.much-quarantined"
"""Event of a published run with more quarantine than `publishing.alert_quarantine_fraction`."""


@task(name="record-history", cache_policy=NO_CACHE, **RETRIED)
def record_history(
    mission: str, published: Published, receipts: Sequence[Receipt], reused: int, seconds: float, alert_above: float
) -> None:
    """Add the run to its mission's history in Prefect's UI, and tell whoever listens.

    People are told of more than the share `alert_above` of the groups in quarantine.
    Nothing is done without a server of its own: a server inside this process has no history and no listener.
    """
    if not has_shared_server():
        return
    now = datetime.now().astimezone()
    this = figures(published, receipts, reused, seconds, str(flow_run.name or ""), now)
    key = f"stage-a-{mission_slug(mission)}-runs"
    with shown_if_possible():
        runs = [*_earlier(f"{key}-table"), this]
        description = f"Stage-A runs of {safe(mission)}"
        create_table_artifact(key=f"{key}-table", table=history_rows(runs), description=description)
        create_markdown_artifact(key=key, markdown=history_markdown(safe(mission), runs), description=description)
    _tell(mission, published, this, alert_above)


def _earlier(key: str) -> list[RunFigures]:
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])), sort=ArtifactSort.CREATED_DESC, limit=1
        )
    data = found[0].data if found else None
    return read_history(json.loads(data)) if isinstance(data, str) else []


def _tell(mission: str, published: Published, this: RunFigures, alert_above: float) -> None:
    slug = mission_slug(mission)
    resource = {"prefect.resource.id": f"fieldcheck.mission.{slug}", "prefect.resource.name": mission}
    manifest = {
        "prefect.resource.id": f"fieldcheck.manifest.{published.sha256}",
        "prefect.resource.role": "manifest",
        "prefect.resource.name": published.uri,
    }
    checkpoints = [
        {"prefect.resource.id": f"fieldcheck.checkpoint.{digest}", "prefect.resource.role": "checkpoint"}
        for digest in (published.manifest.checkpoint, *published.manifest.adapters)
        if digest
    ]
    payload = {**this.model_dump(mode="json"), "manifest": published.uri, "sha256": published.sha256}
    emit_event(PUBLISHED, resource, related=[manifest, *checkpoints], payload=payload)
    if this.quarantined_share > alert_above:
        get_run_logger().warning("%.1f %% of the groups are in quarantine", 100 * this.quarantined_share)
        emit_event(MUCH_QUARANTINED, resource, related=[manifest], payload=payload)


@task(name="measure-judgement", cache_policy=NO_CACHE, **RETRIED)
def measure_judgement(
    store: str,
    s3: S3Options,
    ingested: Ingested,
    brought: str | None,
    published: PublishedJudgement,
    judgement: Judgement,
    spent: Spent,
) -> Metrics:
    """Measure a judgement by the labels of the folders, and of a file that is `brought`; write `metrics.json` and
    `report.html` beside it: labels come later too, so they are none of the run's own files.

    Raises RecordError or StoreError.
    """
    kept = open_store(store, s3)
    labels = read_labels(kept, ingested.key, ingested.sha256, brought)
    found = evaluate(
        published.manifest, judgement.selections, judgement.trajectories, labels, judgement.unjudged, spent
    )
    folder = published.key.rpartition("/")[0]
    kept.write(f"{folder}/{METRICS}", to_line(found))
    page = judgement_page(
        published.manifest,
        judgement.tickets,
        judgement.selections,
        judgement.unjudged,
        found,
        judgement.trajectories,
    )
    kept.write(f"{folder}/{REPORT}", page.encode())
    get_run_logger().info("%d labels for %d tickets", len(labels), found.tickets.tickets)
    return found
