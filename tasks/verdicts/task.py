"""Prefect's view of judging: read the candidates, select, publish, show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from blocks.stores import open_store
from configs.stage_b import StageBConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.common.retry import RETRIED
from tasks.ledger.works import Works
from tasks.records.stage_b import Ticket, Unjudged
from tasks.records.work import Identity
from tasks.runs.report import safe
from tasks.runs.task import Held, mission_slug, shown_if_possible
from tasks.verdicts.audit import with_audits
from tasks.verdicts.certificates import Certified, read_newest
from tasks.verdicts.evidence import all_irrelevant
from tasks.verdicts.identity import judge_key
from tasks.verdicts.judgement import Inquiry, Judgement, judgement_of
from tasks.verdicts.publish import PublishedJudgement, publish
from tasks.verdicts.report import markdown
from tasks.verdicts.rollout import Rollout, rollout_of

Rollouts = dict[str, Rollout]
"""Rollouts by ticket id; a ticket of which no photo shows anything has none."""


@task(name="read-candidates", cache_policy=NO_CACHE, **RETRIED)
def read_candidates(config: StageBConfig, tickets: Sequence[Ticket], identity: Identity, works: Works) -> Rollouts:
    """The rollout of each ticket that was asked about. Raises Unaccounted."""
    found = {
        ticket.ticket_id: rollout_of(ticket, config.judge, identity, works.outcome)
        for ticket in tickets
        if not all_irrelevant(ticket)
    }
    unread = sum(one.winner is None for one in found.values())
    get_run_logger().info("%d tickets have their candidates; %d of them without a majority", len(found), unread)
    return found


@task(name="read-certificates", cache_policy=NO_CACHE, **RETRIED)
def read_certificates(config: StageBConfig, stage_a: str) -> Certified:
    """The certificates of the mission; `stage_a` is the digest of what makes the texts that are judged.

    Raises ManifestError, RecordError or StoreError.
    """
    return Certified(stage_a, read_newest(open_store(config.store, config.s3), config.mission))


@task(name="select-verdicts", cache_policy=NO_CACHE, **RETRIED)
def select_verdicts(
    config: StageBConfig,
    checkpoint: Checkpoint,
    tickets: Sequence[Ticket],
    unjudged: Sequence[Unjudged],
    rollouts: Rollouts,
    scores: tuple[Identity, Works] | None,
    opinions: tuple[Identity, Works] | None,
    certified: Certified,
) -> Judgement:
    """What becomes of each ticket, and all that the judgement is. Raises Unaccounted."""
    inquiry = Inquiry(
        scores=None if scores is None else (scores[0], scores[1].outcome),
        opinions=None if opinions is None else (opinions[0], opinions[1].outcome),
    )
    judgement, lacking = judgement_of(config, checkpoint, tickets, unjudged, rollouts, inquiry, certified)
    if lacking is not None:
        get_run_logger().warning("scores are shares of the votes, for the engine gives no others: %s", lacking)
    if (void := certified.void(judge_key(judgement.judge))) is not None:
        get_run_logger().warning("verdicts are uncalibrated: %s", void)
    return replace(judgement, selections=with_audits(judgement.selections, judgement.audit_seed))


@task(name="publish-judgement", cache_policy=NO_CACHE, **RETRIED)
def publish_judgement(config: StageBConfig, judgement: Judgement, held: Held) -> PublishedJudgement:
    """Write the judgement. Raises Superseded or StoreError."""
    published = publish(open_store(config.store, config.s3), judgement, held.confirm)
    get_run_logger().info("%s %s", "published" if published.fresh else "unchanged:", published.uri)
    return published


@task(name="show-judgement", cache_policy=NO_CACHE, **RETRIED)
def show_judgement(config: StageBConfig, published: PublishedJudgement, judgement: Judgement, seconds: float) -> None:
    """Show the judgement in Prefect's UI."""
    with shown_if_possible():
        create_markdown_artifact(
            key=f"stage-b-{mission_slug(config.mission)}",
            markdown=markdown(
                published,
                judgement.selections,
                judgement.unjudged,
                seconds,
                uncalibrated=config.judge.uncalibrated,
            ),
            description=f"Stage-B: {safe(config.mission)}",
        )
