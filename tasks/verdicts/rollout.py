"""What came of a ticket's candidates: read, numbered as in the ticket, their clauses checked. Knows no store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from configs.judge import JudgeConfig
from tasks.records.errors import Unaccounted
from tasks.records.grammar import IRRELEVANT
from tasks.records.outcomes import Answered, Failed, Outcome
from tasks.records.reasons import Reason
from tasks.records.stage_b import Ticket
from tasks.records.verdicts import Trajectory, Verdict
from tasks.records.work import Identity, Text
from tasks.verdicts.answers import ALL, Reading, read, renumbered
from tasks.verdicts.citations import check_clauses
from tasks.verdicts.evidence import Evidence, evidence_of
from tasks.verdicts.kind import candidate_items
from tasks.verdicts.votes import Candidate, winner_of

OutcomeOf = Callable[[str], Outcome | None]
"""The outcome of a work key, or None."""


@dataclass(frozen=True)
class Rollout:
    """A ticket with its candidates, as the prompt numbers the photos (`trajectories`) and as the ticket does
    (`candidates`)."""

    ticket: Ticket
    evidence: Evidence
    trajectories: tuple[Trajectory, ...]
    candidates: tuple[Candidate, ...]
    too_long: bool

    @property
    def winner(self) -> Candidate | None:
        """The candidate whose reason is given; None without a majority."""
        return winner_of(self.candidates)

    @property
    def answer(self) -> str | None:
        """The winner's three lines, as the model wrote them."""
        winner = self.winner
        return None if winner is None else self.trajectories[winner.index].text

    def removal(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Places of the photos that the reason of a 不通过 leaves, and of those that it names.

        None where there is nothing to try: another verdict, one photo, nothing or everything named, or an absence,
        which has no photo to take away.
        """
        winner = self.winner
        if winner is None or winner.verdict is not Verdict.FAIL:
            return None
        cites = {cited for clause in winner.clauses for cited in clause.cites}
        keys = [photo.key for photo in self.evidence.photos]
        named = tuple(place for place, key in enumerate(keys) if key in cites)
        left = tuple(place for place in range(len(keys)) if place not in named)
        return None if ALL in cites or not named or not left else (left, named)


def rollout_of(ticket: Ticket, judge: JudgeConfig, identity: Identity, outcome_of: OutcomeOf) -> Rollout:
    """A ticket's candidates, in the order of the grid. Raises Unaccounted for one that was neither answered nor
    failed."""
    evidence = evidence_of(ticket)
    keys = [photo.key for photo in evidence.photos]
    trajectories, readings, reasons = [], [], set()
    for index, item in enumerate(candidate_items(judge, identity, [evidence])):
        outcome = outcome_of(item.work_key)
        if outcome is None:
            raise Unaccounted(f"candidate {item.about.key} of ticket {ticket.ticket_id} was never asked; run again")
        assert isinstance(item.about, Text)
        cell = item.about.decoding
        reading = _reading(outcome)
        trajectories.append(
            Trajectory(
                evidence_digest=evidence.digest,
                candidate_key=item.work_key,
                index=index,
                cell=cell,
                sample=int(item.about.sampled_as.rpartition("/")[2]),
                temperature=judge.grid[cell].temperature,
                text=outcome.text if isinstance(outcome, Answered) else "",
                finish_reason=outcome.finish_reason if isinstance(outcome, Answered) else None,
                violations=_violations(outcome, reading),
                verdict=reading.verdict,
                reason=reading.reason,
                confidence=reading.confidence,
                prompt_tokens=outcome.prompt_tokens if isinstance(outcome, Answered) else 0,
                completion_tokens=outcome.completion_tokens if isinstance(outcome, Answered) else 0,
            )
        )
        readings.append(renumbered(reading, keys))
        reasons.add(outcome.reason if isinstance(outcome, Failed) else None)
    candidates = _candidates(readings, [one.temperature for one in trajectories], ticket)
    return Rollout(ticket, evidence, tuple(trajectories), candidates, too_long=reasons == {Reason.PROMPT_TOO_LONG})


def recycled(tickets: Sequence[Ticket], most: int = 5) -> set[str]:
    """sha256s of photos that stand under more than one work order, and under no more than `most`: what is everywhere,
    such as a drawing, links nothing. A photo that shows nothing to judge does not count."""
    groups: dict[str, set[str]] = {}
    for ticket in tickets:
        for photo, summary in zip(ticket.photos, ticket.summaries.values(), strict=True):
            if summary != IRRELEVANT:
                groups.setdefault(photo.sha256, set()).add(ticket.group_id)
    return {sha256 for sha256, found in groups.items() if 1 < len(found) <= most}


def _reading(outcome: Outcome) -> Reading:
    if isinstance(outcome, Answered):
        return read(outcome.text, cut_off=outcome.finish_reason == "length")
    return Reading(None, None, (), None, ())


def _violations(outcome: Outcome, reading: Reading) -> tuple[str, ...]:
    """What is wrong with the answer; of a candidate that was not answered, why."""
    if isinstance(outcome, Answered):
        return tuple(one.value for one in reading.violations)
    return (outcome.reason.value,)


def _candidates(readings: Sequence[Reading], temperatures: Sequence[float], ticket: Ticket) -> tuple[Candidate, ...]:
    """Candidates with their clauses checked, all in one go: the summaries are read once."""
    checked = iter(check_clauses([clause for one in readings for clause in one.clauses], ticket.summaries))
    return tuple(
        Candidate(index, heat, one.verdict, one.reason, one.confidence, tuple(islice(checked, len(one.clauses))))
        for index, (one, heat) in enumerate(zip(readings, temperatures, strict=True))
    )
