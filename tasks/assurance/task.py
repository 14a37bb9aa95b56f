"""Prefect's view of measuring a judgement by labels that it never saw."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.stores import open_store
from configs.stage_b import StageBConfig
from tasks.assurance.evaluate import evaluate
from tasks.assurance.records import Metrics, Spent
from tasks.common.retry import RETRIED
from tasks.records.jsonl import to_line
from tasks.runs.keys import METRICS
from tasks.tickets.ingest import Ingested
from tasks.tickets.labels import read_labels
from tasks.verdicts.publish import Judgement, PublishedJudgement


@task(name="measure-judgement", cache_policy=NO_CACHE, **RETRIED)
def measure_judgement(
    config: StageBConfig, ingested: Ingested, published: PublishedJudgement, judgement: Judgement, spent: Spent
) -> Metrics:
    """Measure a judgement and write `metrics.json` beside it: labels come later too, so it is none of the run's own
    files. Raises RecordError or StoreError."""
    store = open_store(config.store, config.s3)
    labels = read_labels(store, ingested.key, ingested.sha256, config.labels)
    found = evaluate(
        published.manifest, judgement.selections, judgement.trajectories, labels, judgement.unjudged, spent
    )
    store.write(f"{published.key.rpartition('/')[0]}/{METRICS}", to_line(found))
    get_run_logger().info("%d labels for %d tickets", len(labels), found.tickets.tickets)
    return found
