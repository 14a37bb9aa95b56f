"""Prefect's view of publishing, of checking a run, and of handing it to Stage-B."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from blocks.stores import open_store
from configs.missions import known_missions
from configs.stage_a import StageAConfig
from configs.stores import S3Options
from tasks.publishing.check import Checked, check_run, read_records
from tasks.publishing.keys import QUARANTINE, split_manifest_uri
from tasks.publishing.publish import Published, Validated, point_to, publish
from tasks.publishing.report import quarantine_rows, run_markdown
from tasks.publishing.shards import Receipt
from tasks.records.jsonl import read_lines
from tasks.records.retry import RETRIED
from tasks.records.stage_a import QuarantineEntry

_SAMPLES = 6


@task(name="publish-run", cache_policy=NO_CACHE, **RETRIED)
def publish_run(config: StageAConfig, run: Validated) -> Published:
    """Write the run and move the mission's pointer. Raises StoreError."""
    store = open_store(config.store, config.s3)
    published = publish(store, run.input, run.outcomes)
    latest = point_to(store, published)
    did = "published" if published.fresh else "unchanged:"
    get_run_logger().info("%s %s, number %d of the mission", did, published.uri, latest.sequence)
    return published


@task(name="report-run", cache_policy=NO_CACHE, **RETRIED)
def report_run(
    config: StageAConfig,
    published: Published,
    receipts: Sequence[Receipt],
    exact_match: float | None,
    seconds: float,
) -> None:
    """Show the run in Prefect's UI: a page, and a table of what was quarantined. Raises StoreError."""
    store = open_store(config.store, config.s3)
    folder = published.key.rpartition("/")[0]
    with store.open(f"{folder}/{QUARANTINE}") as stream:
        quarantine = [entry for _, entry in read_lines(QuarantineEntry, stream, QUARANTINE)]
    records = read_records(store, published.key, published.manifest)
    samples = [record for (_, record), _ in zip(records, range(_SAMPLES), strict=False)]
    mission = known_missions().get(config.mission)
    slug = mission.slug if mission else "other"
    create_markdown_artifact(
        key=f"stage-a-{slug}",
        markdown=run_markdown(published, receipts, quarantine, samples, exact_match, seconds),
        description=f"Stage-A: {config.mission}",
    )
    if quarantine:
        create_table_artifact(
            key=f"stage-a-{slug}-quarantine",
            table=quarantine_rows(quarantine),
            description=f"Quarantine of {config.mission}, run {published.manifest.run_id}",
        )


@task(name="check-manifest", cache_policy=NO_CACHE, **RETRIED)
def check_manifest(manifest: str, sha256: str | None, s3: S3Options) -> Checked:
    """Re-read a published run and check every digest and record. Raises ManifestError, RecordError or StoreError."""
    root, key = split_manifest_uri(manifest)
    checked = check_run(open_store(root, s3), key, sha256)
    get_run_logger().info("%s: %d objects, %d records check out", manifest, checked.objects, checked.records)
    return checked


@task(name="hand-off", retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE, persist_result=False)
def hand_off_run(config: StageAConfig, published: Published) -> dict[str, str] | None:
    """Start the Stage-B deployment for a manifest, once however often it is asked.

    Deployment, id and name of its run; None where Stage-B is not to be started here: there is no such deployment, or
    the mode says so. Raises ObjectNotFound if the mode asks for the deployment and it does not exist.
    """
    log = get_run_logger()
    deployment, mode = config.hand_off.deployment, config.hand_off.mode
    if mode in {"inline", "none"}:
        return None
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            if mode == "auto":
                return None
            log.error("there is no deployment %s; deploy it, or set hand_off.mode", deployment)
            raise
    parameters = {"manifest": published.uri, "sha256": published.sha256, "s3": config.s3.model_dump(mode="json")}
    run: Any = run_deployment(
        name=deployment,
        parameters=parameters,
        timeout=0,
        as_subflow=False,
        idempotency_key=f"stage-b-{published.sha256}",
    )
    log.info("handed %s to %s: run %s", published.uri, deployment, run.name)
    return {"deployment": deployment, "flow_run_id": str(run.id), "flow_run_name": str(run.name)}
