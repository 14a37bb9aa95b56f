"""What judging leaves: candidates, selections, the manifest of a judgement. Knows no step, no label.

Field order is the order of the keys in the files.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from tasks.records.base import FileEntry, Record, Sha256


class Verdict(StrEnum):
    """What a group deserves."""

    PASS = "通过"
    FAIL = "不通过"


class Decision(StrEnum):
    """What is said of a ticket: a verdict, or that a person must look."""

    PASS = "通过"
    FAIL = "不通过"
    REVIEW = "人工复核"


class ReviewReason(StrEnum):
    """Why a person must look, gravest first."""

    NO_CANDIDATE_PARSES = "no_candidate_parses"
    FEW_CANDIDATES_PARSE = "few_candidates_parse"
    """Fewer than half of the candidates could be read."""
    TIE = "tie"
    """No verdict has more than half of all candidates; those that could not be read count as candidates."""
    LOW_AGREEMENT = "low_agreement"
    BELOW_THRESHOLD = "below_threshold"
    """The score is below the certified threshold, or below one half."""
    UNCALIBRATED = "uncalibrated"
    """No certificate says which score is high enough."""
    CRITIC_ASKS = "critic_asks"
    CRITIC_UNREADABLE = "critic_unreadable"
    EVIDENCE_INSUFFICIENT = "evidence_insufficient"
    FACTS_DISAGREE = "facts_disagree"
    CLAIM_NOT_IN_SUMMARY = "claim_not_in_summary"
    CLAUSE_WITHOUT_PHOTO = "clause_without_photo"
    ORDER_CHANGES_VERDICT = "order_changes_verdict"
    REASON_NOT_DECISIVE = "reason_not_decisive"
    """The verdict stands without the photos that it names, or does not stand on them alone."""
    ALL_IRRELEVANT = "all_irrelevant"
    INCOMPLETE_GROUP = "incomplete_group"
    PHOTO_QUARANTINED = "photo_quarantined"
    RECYCLED_PHOTO = "recycled_photo"
    """The very same photos stand under another work order."""
    PROMPT_TOO_LONG = "prompt_too_long"
    INSTRUCTION_IN_SUMMARY = "instruction_in_summary"
    """A summary gives orders, or looks like an answer."""


class Clause(Record):
    """One clause of a reason. `cites` are photos (`image_2`) by the keys of the ticket, or `全部`; `entries` are the
    entries of those photos' summaries that bear the clause out."""

    text: str
    cites: tuple[str, ...]
    entries: tuple[str, ...] = ()
    check: Literal["ok", "wrong", "uncited"]


class Trajectory(Record):
    """One line of `trajectories.jsonl`: one candidate. Photos in its text are numbered as in the prompt.

    `verdict`, `reason` and `confidence` are null where the text does not give them; `violations` says which rules of
    the answer's grammar it breaks. A bad confidence alone does not cost the vote.
    """

    evidence_digest: Sha256
    candidate_key: Sha256
    index: int = Field(ge=0)
    cell: int = Field(ge=0)
    sample: int = Field(ge=0)
    temperature: float
    text: str
    finish_reason: Literal["stop", "length"] | None
    violations: tuple[str, ...]
    verdict: Verdict | None
    reason: str | None
    confidence: float | None
    prompt_tokens: int
    completion_tokens: int


class Votes(Record):
    """Candidates by verdict; `none` were not readable. Their sum is what was asked."""

    passed: int = Field(ge=0)
    failed: int = Field(ge=0)
    none: int = Field(ge=0)

    @property
    def asked(self) -> int:
        """How many candidates there are."""
        return self.passed + self.failed + self.none


class CriticReading(Record):
    """What the critic said of the winner; with `format_ok` false it could not be read and the rest is null."""

    format_ok: bool
    summary: str | None = None
    critique: str | None = None
    verdict: Verdict | None = None
    needs_recheck: bool | None = None
    evidence_sufficiency: bool | None = None
    recommended_action: Decision | None = None


class FactsReading(Record):
    """What the mission's checks say of the summaries: a verdict, or null where they cannot tell. `failing` are the
    checks that fail, as the mission's file words them."""

    verdict: Verdict | None
    failing: tuple[str, ...] = ()


class OrderCheck(Record):
    """p_pass in each order of the photos that was scored, the prompt's own first, and whether the verdict flips."""

    p_pass: tuple[float, ...]
    flips: bool


class RemovalCheck(Record):
    """p_pass without the cited photos, and with them alone; null where it was not asked. `holds` is whether a 不通过
    falls without them and stands on them alone."""

    without: float | None
    alone: float | None
    holds: bool


class Checks(Record):
    """What was tried on a verdict; null where it makes no sense, such as with one photo."""

    order: OrderCheck | None = None
    removal: RemovalCheck | None = None


class Selection(Record):
    """One line of `selections.jsonl`: what becomes of a ticket.

    `decision` is 人工复核 if and only if there are `review_reasons`, else `proposed`. `winner` is the index of the
    candidate whose reason is given. `score` is how sure the judge is of `proposed`, 0 to 1, `threshold` the certified
    one, null without a certificate. Where a verdict is drawn for an audit, `audit` is how likely that was, else null.
    """

    ticket_id: str
    group_id: str
    mission: str
    evidence_digest: Sha256
    judge_key: Sha256
    decision: Decision
    proposed: Verdict | None
    score: float | None
    p_pass: float | None
    agreement: float
    votes: Votes
    asked: int
    winner: int | None
    reason: str | None
    clauses: tuple[Clause, ...]
    review_reasons: tuple[ReviewReason, ...]
    threshold: float | None
    critic: CriticReading | None
    facts: FactsReading | None
    checks: Checks
    sole_photo: bool
    audit: float | None
    reused_from: str | None


class JudgementManifest(Record):
    """`manifest.json` of a judgement, written last. Its run id follows from the tickets, the judge, the calibration and
    the answers of people; nothing in it depends on a label, on when or where the run was, or on how fast.

    `judge` is all that the judge key is made of; `stage_a` is the digest of what makes Stage-A's texts. `calibration`
    is the sha256 of `calibration.jsonl`, the certificates in force; null without one. `tickets` of `evidences`
    different ones.
    """

    schema_version: Literal[1] = 1
    kind: Literal["judgement"] = "judgement"
    run_id: str
    mission: str
    tickets_sha256: Sha256
    judge_key: Sha256
    judge: dict[str, object]
    stage_a: Sha256
    calibration: Sha256 | None
    reviews: Sha256 | None
    audit_seed: int
    tickets: int = Field(ge=0)
    evidences: int = Field(ge=0)
    decisions: dict[Decision, int]
    unjudged: int = Field(ge=0)
    versions: dict[str, str]
    files: tuple[FileEntry, ...]
    self_sha256: str = ""
