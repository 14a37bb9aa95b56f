"""Judge a run's tickets: candidates, scores, second opinions, selection. Knows the order of the steps, not their
inside.

hold Stage-B's folder -> read certificates -> resolve checkpoint -> ask for candidates -> score -> ask the critic
-> select -> publish -> show

No label is known here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from prefect.utilities.annotations import opaque

from configs.stage_b import StageBConfig
from flows.distribute import infer_all
from flows.progress_artifact import shown_progress
from tasks.checkpoints.resolve import Checkpoint
from tasks.checkpoints.task import resolve_checkpoint
from tasks.engines.task import check_server
from tasks.ledger.ledger import Ledger
from tasks.records.work import WorkItem
from tasks.runs.keys import stage_b_folder
from tasks.runs.task import Held, end_forced_run, holding
from tasks.tickets.read import Tickets
from tasks.verdicts.judged import Asked, Judged
from tasks.verdicts.judgement import Judgement, score_items, to_ask
from tasks.verdicts.kind import candidate_items, candidates_of
from tasks.verdicts.opinions import opinion_items, opinions_of
from tasks.verdicts.publish import PublishedJudgement
from tasks.verdicts.scoring import Scored, scores_of
from tasks.verdicts.task import (
    publish_judgement,
    read_candidates,
    read_certificates,
    select_verdicts,
    show_judgement,
)
from tasks.work.kind import Kind
from tasks.work.task import collect, plan_run


def judge_tickets(config: StageBConfig, told: Tickets, stage_a: str) -> Judged:
    """Judge these tickets and publish the judgement; `stage_a` is the digest of what makes their texts. Raises what its
    steps raise."""
    began = time.monotonic()
    folder = stage_b_folder(config.mission)
    if config.engine.kind == "endpoint":
        check_server(config.engine.endpoint)
    with (
        holding(config.store, config.s3, config.lease, folder, f"judging of {config.mission}") as held,
        Ledger() as candidates,
        Ledger(Scored) as scored,
        Ledger() as opinions,
    ):
        certified = read_certificates(config, stage_a)
        checkpoint = resolve_checkpoint(config, config.fleet[0])
        ask = partial(_ask, config, checkpoint, held)
        tickets = opaque(told.tickets)  # Prefect would look into each of them
        evidence = list(to_ask(told.tickets))
        kind = candidates_of(config, checkpoint)
        asked = [ask(kind, candidates, lambda: candidate_items(config.judge, kind.identity, evidence))]
        rollouts = read_candidates(config, tickets, kind.identity, candidates.works)

        scoring = scores_of(config, checkpoint)
        scores = None
        if config.judge.scoring == "logprobs":
            asked += [ask(scoring, scored, lambda: score_items(scoring.identity, rollouts.values(), config.judge))]
            scores = scoring.identity, scored.works

        critic = opinions_of(config, checkpoint)
        if config.judge.critic:
            winners = [(one.evidence, one.answer) for one in rollouts.values() if one.answer is not None]
            asked += [ask(critic, opinions, lambda: opinion_items(critic.identity, winners))]
        judgement: Judgement = select_verdicts(
            config,
            checkpoint,
            tickets,
            opaque(told.unjudged),
            opaque(rollouts),
            scores,
            (critic.identity, opinions.works) if config.judge.critic else None,
            opaque(certified),
        )
        published: PublishedJudgement = publish_judgement(config, opaque(judgement), held)

    seconds = time.monotonic() - began
    show_judgement(config, published, opaque(judgement), seconds)
    if config.force:
        for one in (kind, scoring, critic):
            end_forced_run(config.store, config.s3, folder, one.identity.digest)
    return Judged(published, judgement, tuple(asked), seconds)


def _ask(
    config: StageBConfig,
    checkpoint: Checkpoint,
    held: Held,
    kind: Kind,
    ledger: Ledger,
    items: Callable[[], Iterable[WorkItem]],
) -> Asked:
    """Ask all these questions, and keep the answers in the ledger. Raises EngineError or StoreError."""
    plan = plan_run(config, kind, ledger.works, items, (checkpoint,))
    with shown_progress(config.mission, plan.pending, kind.noun) as progress:
        receipts = infer_all(config, plan, ledger.works, checkpoint, progress, held.watch)
    collect(config, kind, ledger.works, receipts)
    return Asked(kind.name, receipts, plan.reused)
