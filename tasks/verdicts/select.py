"""From all that is known of a ticket to what becomes of it: 通过, 不通过, or a person looks. Knows no model, no label.

    decision = 人工复核 if there is any reason for it, else the proposed verdict

There is no other path. Doubt adds a reason, and a reason can only send a ticket to a person: no doubt ever becomes
不通过. All reasons that apply are told, gravest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tasks.records.stage_b import Ticket
from tasks.records.verdicts import (
    Checks,
    CriticReading,
    Decision,
    FactsReading,
    ReviewReason,
    Selection,
    Verdict,
    Votes,
)
from tasks.verdicts.critic import flags
from tasks.verdicts.votes import Candidate, agreement, count, proposed, score, winner_of

SELECTION_VERSION = 2
"""Part of what a judge is: raise it when the same findings lead to another selection than before."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What a verdict must pass before it goes out without a person. What is switched off gives no reason."""

    min_agreement: float = 0.8
    uncalibrated: Literal["review", "allow"] = "review"
    """What becomes of a verdict whose direction has no certified threshold."""
    incomplete: Literal["review", "ignore"] = "review"
    """What becomes of a group of which Stage-A was not told that it is complete."""
    critic: bool = True
    critic_unreadable: float = 0.5
    """From which share of unreadable answers on the critic of a whole run counts as unreadable, above 0 to 1."""
    order: bool = True
    removal: bool = True


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found out about the evidence of a ticket. What was not asked is None.

    `candidates` are all that were asked, whether they could be read or not; where all photos are irrelevant or the
    prompt is too long, none counts. `critic_unreadable` is said of the critic of the whole run.
    """

    candidates: tuple[Candidate, ...] = ()
    p_pass: float | None = None
    facts: FactsReading | None = None
    critic: CriticReading | None = None
    critic_unreadable: bool = False
    checks: Checks = field(default_factory=Checks)
    all_irrelevant: bool = False
    prompt_too_long: bool = False
    instruction: bool = False
    """A summary gives orders, or looks like an answer."""

    @property
    def voters(self) -> tuple[Candidate, ...]:
        """The candidates that count."""
        return () if self.all_irrelevant or self.prompt_too_long else self.candidates


@dataclass(frozen=True, slots=True)
class _Proposal:
    """What the candidates propose."""

    votes: Votes
    verdict: Verdict | None
    winner: Candidate | None
    score: float | None
    threshold: float | None


def select(
    ticket: Ticket,
    evidence_digest: str,
    judge_key: str,
    findings: Findings,
    thresholds: Mapping[Verdict, float],
    gates: Gates,
    *,
    recycled: bool = False,
) -> Selection:
    """What becomes of a ticket. `thresholds` has the certified scores, for those directions that have one; `recycled`
    says that the very same photos stand under another work order."""
    votes = count(one.verdict for one in findings.voters)
    verdict = proposed(votes)
    proposal = _Proposal(
        votes,
        verdict,
        winner_of(findings.voters),
        score(verdict, findings.p_pass, votes),
        thresholds.get(verdict) if verdict else None,
    )
    found = {
        *_of_votes(proposal, findings, gates),
        *_of_score(proposal, gates),
        *_of_critic(proposal, findings, gates),
        *_of_reason(proposal, findings, gates),
        *_of_ticket(ticket, findings, gates, recycled),
    }
    reasons = tuple(reason for reason in ReviewReason if reason in found)
    winner = proposal.winner
    return Selection(
        ticket_id=ticket.ticket_id,
        group_id=ticket.group_id,
        mission=ticket.mission,
        evidence_digest=evidence_digest,
        judge_key=judge_key,
        decision=Decision.REVIEW if reasons or verdict is None else Decision(verdict.value),
        proposed=verdict,
        score=proposal.score,
        p_pass=findings.p_pass,
        agreement=agreement(votes),
        votes=votes,
        asked=votes.asked,
        winner=winner.index if winner else None,
        reason=winner.reason if winner else None,
        clauses=winner.clauses if winner else (),
        review_reasons=reasons,
        threshold=proposal.threshold,
        critic=findings.critic,
        facts=findings.facts,
        checks=findings.checks,
        sole_photo=len(ticket.images) == 1,
        audit=None,
        reused_from=None,
    )


def _of_votes(proposal: _Proposal, findings: Findings, gates: Gates) -> Iterator[ReviewReason]:
    if findings.all_irrelevant or findings.prompt_too_long:
        return
    votes = proposal.votes
    read = votes.passed + votes.failed
    if not read:
        yield ReviewReason.NO_CANDIDATE_PARSES
    if 2 * read < votes.asked:
        yield ReviewReason.FEW_CANDIDATES_PARSE
    if proposal.verdict is None:
        yield ReviewReason.TIE
    if agreement(votes) < gates.min_agreement:
        yield ReviewReason.LOW_AGREEMENT


def _of_score(proposal: _Proposal, gates: Gates) -> Iterator[ReviewReason]:
    if proposal.score is None:
        return
    if proposal.score < max(0.5, proposal.threshold or 0):
        yield ReviewReason.BELOW_THRESHOLD
    if proposal.threshold is None and gates.uncalibrated == "review":
        yield ReviewReason.UNCALIBRATED


def _of_critic(proposal: _Proposal, findings: Findings, gates: Gates) -> Iterator[ReviewReason]:
    if not gates.critic or findings.critic is None or proposal.verdict is None:
        return
    yield from flags(findings.critic, proposal.verdict)
    if findings.critic_unreadable:
        yield ReviewReason.CRITIC_UNREADABLE


def _of_reason(proposal: _Proposal, findings: Findings, gates: Gates) -> Iterator[ReviewReason]:
    """Doubts about the winner's reason: what it claims, and whether the verdict hangs on it."""
    if proposal.winner is None:
        return
    facts, checks = findings.facts, findings.checks
    if facts is not None and facts.verdict not in (None, proposal.verdict):
        yield ReviewReason.FACTS_DISAGREE
    told = {clause.check for clause in proposal.winner.clauses}
    if "wrong" in told:
        yield ReviewReason.CLAIM_NOT_IN_SUMMARY
    if "uncited" in told or not told:
        yield ReviewReason.CLAUSE_WITHOUT_PHOTO
    if gates.order and checks.order is not None and checks.order.flips:
        yield ReviewReason.ORDER_CHANGES_VERDICT
    if gates.removal and checks.removal is not None and not checks.removal.holds:
        yield ReviewReason.REASON_NOT_DECISIVE


def _of_ticket(ticket: Ticket, findings: Findings, gates: Gates, recycled: bool) -> Iterator[ReviewReason]:
    """Doubts about the photos, whatever was judged of them."""
    applies = {
        ReviewReason.ALL_IRRELEVANT: findings.all_irrelevant,
        ReviewReason.INCOMPLETE_GROUP: gates.incomplete == "review" and not ticket.stage_a_complete,
        ReviewReason.PHOTO_QUARANTINED: bool(ticket.missing),
        ReviewReason.RECYCLED_PHOTO: recycled,
        ReviewReason.PROMPT_TOO_LONG: findings.prompt_too_long,
        ReviewReason.INSTRUCTION_IN_SUMMARY: findings.instruction,
    }
    yield from (reason for reason, found in applies.items() if found)
