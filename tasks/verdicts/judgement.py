"""From rollouts, scores and second opinions to a selection a ticket. Knows no store and no Prefect.

rollout -> what must be scored: the photos in several orders, a 不通过 without the photos that it names -> findings
-> select
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from configs.judge import JudgeConfig
from configs.missions import Check, known_missions
from configs.stage_b import StageBConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.records.certificates import Certificate
from tasks.records.errors import Unaccounted
from tasks.records.guidance import Guidance
from tasks.records.outcomes import Answered
from tasks.records.reasons import Reason
from tasks.records.stage_b import Ticket, Unjudged
from tasks.records.verdicts import Checks, CriticReading, OrderCheck, RemovalCheck, Selection, Trajectory, Verdict
from tasks.records.work import Identity, WorkItem
from tasks.verdicts.certificates import Certified, thresholds
from tasks.verdicts.critic import mostly_unreadable, read_critic
from tasks.verdicts.evidence import Evidence, all_irrelevant, evidence_of
from tasks.verdicts.facts import facts
from tasks.verdicts.identity import judge_key, judge_of
from tasks.verdicts.injection import instruction_in
from tasks.verdicts.kind import guidance_for
from tasks.verdicts.opinions import opinion_item
from tasks.verdicts.rollout import OutcomeOf, Rollout, recycled
from tasks.verdicts.scoring import Scored, score_item
from tasks.verdicts.select import Findings, Gates, select
from tasks.verdicts.votes import pass_probability

Answers = tuple[Identity, OutcomeOf]
"""What questions of one kind have in common, and where their outcomes are."""

Places = tuple[int, ...]
_HALF = 0.5


@dataclass(frozen=True)
class Inquiry:
    """What was asked about a run's tickets. `scores` is None where the engine gives none, or none were asked for;
    `opinions` is None without a critic."""

    scores: Answers | None
    opinions: Answers | None


@dataclass(frozen=True)
class Judgement:
    """All that a judgement is. Trajectories are told once an evidence; `certificates` are those in force."""

    mission: str
    judge: dict[str, object]
    guidance: Guidance
    tickets: Sequence[Ticket]
    trajectories: Sequence[Trajectory]
    selections: Sequence[Selection]
    unjudged: Sequence[Unjudged]
    stage_a: str
    certificates: Sequence[Certificate]
    audit_seed: int


def to_ask(tickets: Iterable[Ticket]) -> Iterator[Evidence]:
    """The evidence of tickets that a model is asked about: each once, and none where no photo shows anything."""
    known = set()
    for ticket in tickets:
        evidence = evidence_of(ticket)
        if evidence.digest not in known and not all_irrelevant(ticket):
            known.add(evidence.digest)
            yield evidence


def score_items(identity: Identity, rollouts: Iterable[Rollout], judge: JudgeConfig) -> Iterator[WorkItem]:
    """Everything that is scored of these tickets: the prompt's own order of photos, others if asked for, and the photos
    of the removal test. What was never answered is not scored."""
    for rollout in rollouts:
        if not rollout.too_long:
            for places in (*_orders(rollout, judge), *(_removal(rollout, judge) or ())):
                yield score_item(identity, rollout.evidence, places)


def why_no_scores(
    identity: Identity, rollouts: Iterable[Rollout], judge: JudgeConfig, outcome_of: OutcomeOf
) -> str | None:
    """What was said of the first score that the engine did not give, None if it gave all: all scores of a run are of
    one kind, so one that is missing counts for all. A prompt that is too long says nothing of the engine."""
    for item in score_items(identity, rollouts, judge):
        outcome = outcome_of(item.work_key)
        if outcome is None:
            return f"{item.about.key} was not scored"
        if not outcome.ok and outcome.reason is not Reason.PROMPT_TOO_LONG:
            return outcome.detail or str(outcome.reason)
    return None


def gates_of(judge: JudgeConfig) -> Gates:
    """What a verdict must pass, as the run is told."""
    return Gates(
        min_agreement=judge.min_agreement,
        uncalibrated=judge.uncalibrated,
        incomplete=judge.incomplete,
        critic=judge.critic,
        order=judge.order_check,
        removal=judge.removal_check,
    )


def judgement_of(
    config: StageBConfig,
    checkpoint: Checkpoint,
    tickets: Sequence[Ticket],
    unjudged: Sequence[Unjudged],
    rollouts: Mapping[str, Rollout],
    inquiry: Inquiry,
    certified: Certified,
) -> tuple[Judgement, str | None]:
    """What becomes of each ticket; and, where the engine gave no scores though they were asked for, why: they are
    shares of the votes then. `rollouts` are by ticket id; a ticket of which no photo shows anything has none.

    Nothing is drawn for audits yet: that is a matter of whole runs.

    Raises Unaccounted for a score that was never asked for.
    """
    lacking = None
    if inquiry.scores is not None:
        identity, outcome_of = inquiry.scores
        lacking = why_no_scores(identity, rollouts.values(), config.judge, outcome_of)
        if lacking is not None:
            inquiry = replace(inquiry, scores=None)
    mission = known_missions().get(config.mission)
    judge = judge_of(config, checkpoint, mission, "votes" if inquiry.scores is None else "logprobs")
    checks = mission.checks if mission else ()
    certificates = certified.in_force(judge_key(judge))
    once = {one.evidence.digest: one for one in rollouts.values()}
    judgement = Judgement(
        mission=config.mission,
        judge=judge,
        guidance=guidance_for(config),
        tickets=tickets,
        trajectories=tuple(line for one in once.values() for line in one.trajectories),
        selections=tuple(
            select_all(tickets, rollouts, inquiry, config.judge, judge_key(judge), checks, thresholds(certificates))
        ),
        unjudged=unjudged,
        stage_a=certified.stage_a,
        certificates=certificates,
        audit_seed=config.judge.audit_seed,
    )
    return judgement, lacking


def select_all(
    tickets: Sequence[Ticket],
    rollouts: Mapping[str, Rollout],
    inquiry: Inquiry,
    judge: JudgeConfig,
    key: str,
    checks: Sequence[Check],
    certified: Mapping[Verdict, float],
) -> Iterator[Selection]:
    """What becomes of each ticket, in their order; `certified` has the threshold of each direction that has one."""
    opinions = {name: _opinion(rollout, inquiry) for name, rollout in rollouts.items()}
    unreadable = mostly_unreadable(reading for reading in opinions.values() if reading is not None)
    twice = recycled(tickets)
    for ticket in tickets:
        rollout = rollouts.get(ticket.ticket_id)
        known = facts(checks, ticket.summaries)
        instruction = instruction_in(ticket.summaries.values())
        if rollout is None:
            findings = Findings(facts=known, all_irrelevant=True, instruction=instruction)
        else:
            p_pass, tried = _scores(rollout, inquiry, judge)
            findings = Findings(
                candidates=rollout.candidates,
                p_pass=p_pass,
                facts=known,
                critic=opinions[ticket.ticket_id],
                critic_unreadable=unreadable,
                checks=tried,
                prompt_too_long=rollout.too_long,
                instruction=instruction,
            )
        yield select(
            ticket,
            (rollout.evidence if rollout else evidence_of(ticket)).digest,
            key,
            findings,
            certified,
            gates_of(judge),
            recycled=any(photo.sha256 in twice for photo in ticket.photos),
        )


def _opinion(rollout: Rollout, inquiry: Inquiry) -> CriticReading | None:
    answer = rollout.answer
    if inquiry.opinions is None or answer is None:
        return None
    identity, outcome_of = inquiry.opinions
    outcome = outcome_of(opinion_item(identity, rollout.evidence, answer).work_key)
    if isinstance(outcome, Answered):
        return read_critic(outcome.text, cut_off=outcome.finish_reason == "length")
    return CriticReading(format_ok=False)


def _scores(rollout: Rollout, inquiry: Inquiry, judge: JudgeConfig) -> tuple[float | None, Checks]:
    """p_pass over the orders of the photos, and what the checks found; nothing where there are no scores."""
    if inquiry.scores is None or rollout.too_long:
        return None, Checks()
    pairs = [_pair(rollout, inquiry.scores, places) for places in _orders(rollout, judge)]
    each = tuple(pass_probability([pair]) for pair in pairs)
    order = None
    if judge.order_check and len(each) > 1:
        order = OrderCheck(p_pass=each, flips=any((one > _HALF) != (each[0] > _HALF) for one in each))
    removal = _removal(rollout, judge)
    if removal is None:
        return pass_probability(pairs), Checks(order=order)
    without, alone = (pass_probability([_pair(rollout, inquiry.scores, places)]) for places in removal)
    tried = RemovalCheck(without=without, alone=alone, holds=without >= _HALF > alone)
    return pass_probability(pairs), Checks(order=order, removal=tried)


def _orders(rollout: Rollout, judge: JudgeConfig) -> list[Places]:
    orders = rollout.evidence.orders()
    return orders if judge.order_check else orders[:1]


def _removal(rollout: Rollout, judge: JudgeConfig) -> tuple[Places, Places] | None:
    return rollout.removal() if judge.removal_check else None


def _pair(rollout: Rollout, scores: Answers, places: Places) -> tuple[float, float]:
    identity, outcome_of = scores
    outcome = outcome_of(score_item(identity, rollout.evidence, places).work_key)
    if not isinstance(outcome, Scored):
        raise Unaccounted(f"ticket {rollout.ticket.ticket_id} was not scored with photos {places}; run again")
    passed, failed = outcome.log_probs
    return passed, failed
