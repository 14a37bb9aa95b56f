"""What a critic is asked about: candidates' answers to tickets, half of them wrong, and the right line of JSON."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from infra.demo.training.tickets import Ticket
from infra.demo.verdicts import EVIDENCE_OF, FAIL, FAULTS, PASS, SWITCHES, Outcome, judge, rules, three_lines

REVIEW = "人工复核"
RIGHT, WRONG_VERDICT, WRONG_REASON, INSUFFICIENT = "结论和依据成立", "结论不成立", "依据不成立", "证据不足"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer that a judge may have given, and whether it is what the rules say."""

    text: str
    verdict: str
    critique: str

    @property
    def wrong(self) -> bool:
        """Whether verdict or reason are not those of the rules."""
        return self.critique in (WRONG_VERDICT, WRONG_REASON)


def candidate(ticket: Ticket) -> Candidate:
    """The candidate of a ticket: half of those that can be wrong are."""
    rng = random.Random(f"candidate {ticket.seed}")
    right = ticket.outcome
    if right.verdict is None:
        return _candidate(Outcome(rng.choice((PASS, FAIL)), right.clauses), INSUFFICIENT, rng)
    if rng.random() < 0.5:
        return _candidate(right, RIGHT, rng)
    if rng.random() < 0.5:
        return _candidate(_other_verdict(ticket, rng), WRONG_VERDICT, rng)
    return _candidate(_other_reason(ticket, rng), WRONG_REASON, rng)


def opinion(ticket: Ticket, told: Candidate) -> str:
    """The one line of JSON that is right of a candidate."""
    right = ticket.outcome
    doubtful = told.critique != RIGHT
    verdict = right.verdict or told.verdict
    content = {
        "summary": right.reason,
        "critique": told.critique,
        "verdict": verdict,
        "needs_recheck": doubtful,
        "evidence_sufficiency": right.verdict is not None,
        "recommended_action": REVIEW if doubtful else verdict,
    }
    return json.dumps(content, ensure_ascii=False)


def _candidate(told: Outcome, critique: str, rng: random.Random) -> Candidate:
    assert told.verdict is not None
    return Candidate(three_lines(told.verdict, told.reason, rng.randint(50, 99)), told.verdict, critique)


def _other_verdict(ticket: Ticket, rng: random.Random) -> Outcome:
    """What a judge says who misreads a rule, or, where no rule is to blame, one who makes something up."""
    mission, on, right = ticket.sheet.mission, ticket.sheet.on, ticket.outcome.verdict
    for switch in rng.sample(SWITCHES[mission], 4):
        misread = judge(mission, ticket.photos, on ^ {switch})
        if {misread.verdict, right} == {PASS, FAIL}:
            return misread
    said = rng.choice(EVIDENCE_OF[mission] if right == FAIL else rules(mission, on))
    return Outcome(PASS if right == FAIL else FAIL, ((said, (rng.randint(1, len(ticket.photos)),)),))


def _other_reason(ticket: Ticket, rng: random.Random) -> Outcome:
    """The right verdict with a photo that does not show it, or with a fault or evidence that is not there."""
    right, count = ticket.outcome, len(ticket.photos)
    place = rng.randrange(len(right.clauses))
    said, numbers = right.clauses[place]
    elsewhere = [
        number for number, photo in enumerate(ticket.photos, 1) if said not in photo.faults and said not in photo.shows
    ]
    if elsewhere and rng.random() < 0.6:
        changed = (said, (rng.choice(elsewhere),))
    else:
        there = {name for photo in ticket.photos for name in photo.faults | photo.shows}
        known = FAULTS if right.verdict == FAIL else EVIDENCE_OF[ticket.sheet.mission]
        absent = [name for name in known if name not in there]
        changed = (rng.choice(absent or FAULTS), numbers[:1] or (rng.randint(1, count),))
    return Outcome(right.verdict, (*right.clauses[:place], changed, *right.clauses[place + 1 :]))
