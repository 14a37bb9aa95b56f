"""Stage-B: a published Stage-A run in, tickets out. Knows the order of the steps, not their inside.

check manifest -> ingest tickets
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from blocks.standalone import flow
from configs.settings import load_stage_b
from configs.stores import S3Options
from flows.healing import leave_trace, stop_if_hopeless
from flows.printing import escape_logs
from tasks.runs.task import check_manifest
from tasks.verdicts.task import ingest_tickets


def _run_name() -> str:
    from prefect.runtime import flow_run

    mission = re.search(r"stage_a/([^/]+)/runs/", str(flow_run.parameters.get("manifest")))
    return f"{mission[1] if mission else 'stage-b'} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


@flow(name="stage-b", flow_run_name=_run_name, on_failure=[leave_trace], on_crashed=[leave_trace])
def stage_b(
    manifest: str | None = None,
    sha256: str | None = None,
    store: str | None = None,
    s3: S3Options | None = None,
    handed_by: UUID | None = None,
    profile: str | None = None,
) -> dict[str, Any]:
    """Check a published Stage-A run and make a ticket of each of its groups.

    Args:
        manifest: URI of a Stage-A manifest.json: a path, or s3://bucket/key.
        sha256: Expected sha256 of the manifest.
        store: Where results go; by default the store that holds the manifest.
        s3: How s3:// is reached.
        handed_by: Id of the Stage-A flow run that handed the manifest over.
        profile: A profile in configs/profiles, or a path to a YAML file.

    Returns:
        manifest (URI of Stage-B's own), sha256, tickets and source.
    """
    escape_logs()
    stop_if_hopeless()
    given = {"manifest": manifest, "sha256": sha256, "store": store, "s3": s3 and s3.model_dump(exclude_unset=True)}
    config = load_stage_b({name: value for name, value in given.items() if value is not None}, profile)

    checked = check_manifest(config.manifest, config.sha256, config.s3)
    ingested = ingest_tickets(config, checked.sha256, handed_by and str(handed_by))

    return {
        "manifest": ingested.uri,
        "sha256": ingested.sha256,
        "tickets": ingested.tickets,
        "source": config.manifest,
    }
