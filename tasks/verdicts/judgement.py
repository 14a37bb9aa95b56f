"""From rollouts, scores and second opinions to a selection a ticket. Knows no store and no Prefect.

rollout -> what must be scored: the photos in several orders, a 不通过 without the photos that it names -> findings
-> select
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from configs.judge import JudgeConfig
from configs.missions import Check
from tasks.records.errors import Unaccounted
from tasks.records.grammar import IRRELEVANT
from tasks.records.outcomes import Answered, Outcome
from tasks.records.reasons import Reason
from tasks.records.stage_b import Ticket
from tasks.records.verdicts import Checks, CriticReading, OrderCheck, RemovalCheck, Selection, Verdict
from tasks.records.work import Identity, WorkItem
from tasks.verdicts.critic import mostly_unreadable, read_critic
from tasks.verdicts.evidence import Evidence, all_irrelevant, evidence_of
from tasks.verdicts.facts import facts
from tasks.verdicts.injection import instruction_in
from tasks.verdicts.opinions import opinion_item
from tasks.verdicts.rollout import Rollout, recycled
from tasks.verdicts.scoring import Scored, score_item
from tasks.verdicts.select import Findings, Gates, select
from tasks.verdicts.votes import pass_probability

OutcomeOf = Callable[[str], Outcome | None]
Places = tuple[int, ...]
_HALF = 0.5


@dataclass(frozen=True)
class Inquiry:
    """What was asked about a run's tickets, and where the answers are. `scores` is None where the engine gives none, or
    none were asked for; `opinions` is None without a critic."""

    scores: tuple[Identity, OutcomeOf] | None
    opinions: tuple[Identity, OutcomeOf] | None


def to_ask(tickets: Iterable[Ticket]) -> Iterator[Evidence]:
    """The evidence of tickets that a model is asked about: each once, and none where no photo shows anything."""
    known = set()
    for ticket in tickets:
        evidence = evidence_of(ticket)
        if evidence.digest not in known and not all_irrelevant(ticket.summaries.values(), IRRELEVANT):
            known.add(evidence.digest)
            yield evidence


def places_to_score(rollout: Rollout, judge: JudgeConfig) -> list[Places]:
    """Which photos are scored in which order: the prompt's own, others if asked for, and those of the removal test."""
    orders = rollout.evidence.orders()
    found = orders if judge.order_check else orders[:1]
    removal = rollout.removal() if judge.removal_check else None
    return [*found, *(removal or ())]


def score_items(identity: Identity, rollouts: Iterable[Rollout], judge: JudgeConfig) -> Iterator[WorkItem]:
    """Everything that is scored of these tickets; what was never answered is not."""
    for rollout in rollouts:
        if not rollout.too_long:
            for places in places_to_score(rollout, judge):
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


def select_all(
    tickets: Sequence[Ticket],
    rollouts: Mapping[str, Rollout],
    inquiry: Inquiry,
    judge: JudgeConfig,
    judge_key: str,
    checks: Sequence[Check],
    thresholds: Mapping[Verdict, float] | None = None,
) -> Iterator[Selection]:
    """What becomes of each ticket, in their order. `rollouts` are by ticket id; a ticket of which no photo shows
    anything has none."""
    opinions = {name: _opinion(rollout, inquiry) for name, rollout in rollouts.items()}
    unreadable = mostly_unreadable(reading for reading in opinions.values() if reading is not None)
    twice = recycled(tickets, IRRELEVANT)
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
            evidence_of(ticket).digest,
            judge_key,
            findings,
            thresholds or {},
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
    orders = rollout.evidence.orders()
    pairs = [_pair(rollout, inquiry.scores, places) for places in (orders if judge.order_check else orders[:1])]
    each = tuple(pass_probability([pair]) for pair in pairs)
    order = None
    if judge.order_check and len(each) > 1:
        order = OrderCheck(p_pass=each, flips=any((one > _HALF) != (each[0] > _HALF) for one in each))
    removal = rollout.removal() if judge.removal_check else None
    if removal is None:
        return pass_probability(pairs), Checks(order=order)
    without, alone = (pass_probability([_pair(rollout, inquiry.scores, places)]) for places in removal)
    tried = RemovalCheck(without=without, alone=alone, holds=without >= _HALF > alone)
    return pass_probability(pairs), Checks(order=order, removal=tried)


def _pair(rollout: Rollout, scores: tuple[Identity, OutcomeOf], places: Places) -> tuple[float, float]:
    identity, outcome_of = scores
    outcome = outcome_of(score_item(identity, rollout.evidence, places).work_key)
    if not isinstance(outcome, Scored):
        raise Unaccounted(f"ticket {rollout.ticket.ticket_id} was not scored with photos {places}; run again")
    passed, failed = outcome.log_probs
    return passed, failed
