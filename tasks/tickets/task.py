"""Prefect's view of making tickets."""

from __future__ import annotations

from urllib.parse import quote

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from blocks.stores import open_store
from configs.stage_b import StageBConfig
from configs.stores import S3Options
from tasks.common.retry import RETRIED
from tasks.runs.keys import split_manifest_uri
from tasks.runs.report import code, safe
from tasks.runs.task import flow_run_page, shown_if_possible
from tasks.tickets.ingest import Ingested, find_ingested, ingest
from tasks.tickets.read import Tickets, read_tickets


@task(name="find-tickets", cache_policy=NO_CACHE, **RETRIED)
def find_tickets(store: str, s3: S3Options, mission: str, sha256: str) -> Ingested | None:
    """The tickets of the run with this manifest, if Stage-B made them already. Raises StoreError."""
    found = find_ingested(open_store(store, s3), mission, sha256)
    if found is not None:
        get_run_logger().info("Stage-B has this run already: %s", found.uri)
    return found


@task(name="ingest-tickets", cache_policy=NO_CACHE, **RETRIED)
def ingest_tickets(config: StageBConfig, checked: str, handed_by: str | None = None) -> Ingested:
    """Make the tickets of the run whose manifest has the sha256 that was `checked`; `handed_by` is the id of its run.

    Raises ManifestError, RecordError or StoreError.
    """
    root, key = split_manifest_uri(config.manifest)
    source = open_store(root, config.s3)
    target = open_store(config.store, config.s3) if config.store else source
    target.check(write=True)
    ingested = ingest(source, key, target, checked)
    get_run_logger().info("%d tickets in %s", ingested.tickets, ingested.uri)
    rows = [("Tickets", str(ingested.tickets)), ("Manifest", code(ingested.uri)), ("From", code(config.manifest))]
    if handed_by:
        rows.append(("Stage-A's run", f"[{safe(handed_by)}]({flow_run_page(quote(handed_by, safe=''))})"))
    with shown_if_possible():
        create_markdown_artifact(
            key="stage-b-tickets",
            markdown="# Tickets\n\n| | |\n| --- | --- |\n" + "".join(f"| {name} | {value} |\n" for name, value in rows),
            description="Stage-B: tickets of a Stage-A run",
        )
    return ingested


@task(name="load-tickets", cache_policy=NO_CACHE, **RETRIED)
def load_tickets(config: StageBConfig, ingested: Ingested) -> Tickets:
    """The tickets that were made, without their labels. Raises ManifestError, RecordError or StoreError."""
    return read_tickets(open_store(config.store, config.s3), ingested.key, ingested.sha256)
