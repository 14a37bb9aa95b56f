"""`fieldcheck judge GROUP`: one group of a published run, judged before your eyes and published nowhere.

candidates, each with its clauses checked -> scores -> second opinion -> what becomes of the ticket, and why
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from configs.errors import ConfigError, Fault
from configs.stage_b import JudgeGroupConfig
from flows.printing import print_piece
from flows.terminal import print_result, progress_line

if TYPE_CHECKING:
    from blocks.store import Store
    from tasks.checkpoints.resolve import Checkpoint
    from tasks.records.stage_b import Ticket
    from tasks.records.verdicts import Clause
    from tasks.verdicts.certificates import Certified
    from tasks.verdicts.rollout import OutcomeOf, Rollout

_MARKS = {"ok": "有据", "wrong": "无据", "uncited": "未注明照片"}


def judge(config: JudgeGroupConfig) -> int:
    """`fieldcheck judge GROUP`. Raises ConfigError for a group that the run has not; ManifestError, CheckpointError or
    EngineError."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from tasks.checkpoints.resolve import resolve_for

    source, key = _run(config)
    ticket, certified = _ticket(config, source, key), _certified(config, source, key)
    checkpoint = resolve_for(config.engine, config.model, config.merge, config.device, progress_line)
    return print_result(_judge(config, checkpoint, ticket, certified))


def _run(config: JudgeGroupConfig) -> tuple[Store, str]:
    """The store of the run, and the key of its manifest there."""
    from blocks.stores import open_store
    from tasks.runs.keys import split_manifest_uri
    from tasks.runs.newest import manifest_of

    opened = partial(open_store, options=config.s3)
    root, key = split_manifest_uri(manifest_of(config.manifest, opened))
    return opened(root), key


def _ticket(config: JudgeGroupConfig, source: Store, key: str) -> Ticket:
    from tasks.tickets.ingest import tickets_of

    found = [
        ticket
        for ticket in tickets_of(source, key, config.sha256)
        if config.group in (ticket.group_id, ticket.ticket_id)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        what = f"the run has no group {config.group!r}"
        raise ConfigError([Fault("group", what, "give the id of one of its groups; quarantined ones are not judged")])
    names = ", ".join(ticket.ticket_id for ticket in found)
    raise ConfigError([Fault("group", f"{config.group} has {len(found)} submissions", f"give one of {names}")])


def _certified(config: JudgeGroupConfig, source: Store, key: str) -> Certified:
    """The certificates that the store of the run has for its mission."""
    from blocks.stores import open_store
    from tasks.runs.check import read_manifest
    from tasks.verdicts.certificates import Certified, read_newest
    from tasks.verdicts.identity import stage_a_of

    manifest, _ = read_manifest(source, key, config.sha256)
    return Certified(stage_a_of(manifest), read_newest(open_store(config.store, config.s3), config.mission))


def _judge(config: JudgeGroupConfig, checkpoint: Checkpoint, ticket: Ticket, certified: Certified) -> dict[str, Any]:
    from tasks.checkpoints.spec import engine_spec
    from tasks.engines.open import open_engine
    from tasks.verdicts.judgement import Inquiry, judgement_of, score_items, to_ask
    from tasks.verdicts.kind import candidate_items, candidates_of
    from tasks.verdicts.opinions import opinion_items, opinions_of
    from tasks.verdicts.rollout import rollout_of
    from tasks.verdicts.scoring import scores_of
    from tasks.work.one_by_one import OneByOne

    settings = config.judge
    candidates, scoring, critic = (make(config, checkpoint) for make in (candidates_of, scores_of, opinions_of))
    rollouts: dict[str, Rollout] = {}
    outcome_of: OutcomeOf = {}.get
    if evidence := list(to_ask([ticket])):
        print_piece(f"{candidates.prompt.user}{evidence[0].text()}\n")
        spec = engine_spec(checkpoint, config.model, config.engine, config.inputs, config.device)
        answers = OneByOne(open_engine(spec), print_piece)
        outcome_of = answers.outcome
        answers.ask(candidates, candidate_items(settings, candidates.identity, evidence), stream=True)
        rollout = rollouts[ticket.ticket_id] = rollout_of(ticket, settings, candidates.identity, outcome_of)
        _show(rollout)
        if settings.scoring == "logprobs":
            answers.ask(scoring, score_items(scoring.identity, [rollout], settings))
        if settings.critic and rollout.answer is not None:
            answers.ask(critic, opinion_items(critic.identity, [(rollout.evidence, rollout.answer)]), stream=True)
    inquiry = Inquiry(
        (scoring.identity, outcome_of) if settings.scoring == "logprobs" else None,
        (critic.identity, outcome_of) if settings.critic else None,
    )
    judgement, lacking = judgement_of(config, checkpoint, [ticket], (), rollouts, inquiry, certified)
    if lacking is not None:
        progress_line(f"the score is a share of the votes: {lacking}")
    told: dict[str, Any] = judgement.selections[0].model_dump(mode="json")
    return told


def _show(rollout: Rollout) -> None:
    """The candidates and their clauses, for a person."""
    print_piece("\n")
    for one, trajectory in zip(rollout.candidates, rollout.trajectories, strict=True):
        broken = f"  不合格式：{', '.join(trajectory.violations)}" if trajectory.violations else ""
        sure = "" if one.confidence is None else f"  {one.confidence:.2f}"
        chosen = "  ← 采用" if rollout.winner is one else ""
        print_piece(f"[{one.index}] 温度{one.temperature:g}  {one.verdict or '不能读'}{sure}{broken}{chosen}\n")
        for clause in one.clauses:
            print_piece(f"      {_clause(clause)}\n")


def _clause(clause: Clause) -> str:
    cites = f"（{','.join(clause.cites)}）" if clause.cites else ""
    return f"{_MARKS[clause.check]}  {clause.text}{cites}" + "".join(f"  ｜{entry}" for entry in clause.entries)
