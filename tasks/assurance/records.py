"""What evaluation leaves: `metrics.json`, one record. Knows no step.

Every share has its interval, and what cannot be known is null and never 0.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from tasks.assurance.discrimination import Area, CoveragePoint
from tasks.assurance.rates import Rate
from tasks.records.base import Record, Sha256
from tasks.records.reasons import Reason
from tasks.records.verdicts import Decision, ReviewReason, Verdict


class Note(StrEnum):
    """Why something is null, or to be read with care."""

    UNLABELLED = "unlabelled"
    """No ticket has a label: whatever needs the truth is null."""
    ONE_CLASS = "one_class"
    """All labels say the same: a judge that always says so would look perfect. What needs both is null."""
    LABEL_CONFLICTS = "label_conflicts"
    """The same evidence has two labels; it is left out of whatever needs the truth."""
    STRANGE_LABELS = "strange_labels"
    """Labels of tickets that are not in this judgement; nothing is made of them."""
    NOTHING_AUTOMATIC = "nothing_automatic"
    """No verdict went out by itself: what is said of automatic verdicts is null."""


class Spent(Record):
    """What the judgement cost, as far as whoever ran it knows: questions asked in this run and taken over from
    earlier ones, tokens read and written, seconds."""

    asked: int | None = None
    reused: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None


class ReasonCount(Record):
    """Tickets that a reason sends to a person, and those among them for which there is no other."""

    count: int = Field(ge=0)
    alone: int = Field(ge=0)


class TicketMetrics(Record):
    """What became of tickets.

    `unjudged` groups were quarantined before: `review_with_unjudged` counts them as work of people, which they are.
    `reused` tickets were settled by a person's answer: no verdict of the judge, and in no rate of automatic ones.
    """

    tickets: int = Field(ge=0)
    evidences: int = Field(ge=0)
    unjudged: int = Field(ge=0)
    unjudged_reasons: dict[Reason, int]
    decisions: dict[Decision, int]
    reused: int = Field(ge=0)
    audited: int = Field(ge=0)
    review: Rate
    review_with_unjudged: Rate
    review_reasons: dict[ReviewReason, ReasonCount]
    auto_pass: Rate
    auto_fail: Rate


class Agreement(Record):
    """The share of the candidates that agree: mean, and how often each share occurs."""

    mean: float | None
    distribution: dict[str, int]


class Citations(Record):
    """The clauses of the winners' reasons, by what the check of their photos found, and the share that is right."""

    ok: int = Field(ge=0)
    wrong: int = Field(ge=0)
    uncited: int = Field(ge=0)
    right: Rate


class Doubt(Record):
    """A second opinion on proposed verdicts: how often it can tell, how often it doubts, and what its doubt is worth:
    P(the verdict is wrong | it doubts) and P(wrong | it does not), over what has a label."""

    readable: Rate
    flagged: Rate
    wrong_if_flagged: Rate
    wrong_if_not: Rate


class JudgeMetrics(Record):
    """What is said of the judge, once an evidence: tickets of the same evidence were judged once.

    `format` is over candidates, `violations` by the rules that they break. `order_flips` and `removal_failures` are
    over what was tried.
    """

    format: Rate
    violations: dict[str, int]
    agreement: Agreement
    proposed: Rate
    order_flips: Rate
    removal_failures: Rate
    citations: Citations
    critic: Doubt
    facts: Doubt


class Sureness(Record):
    """How well a number foretells that the proposed verdict is right, over `of` that have a label: Brier, ECE, and
    AUROC for telling right verdicts from wrong ones (`right`) and 通过 from 不通过 (`passing`)."""

    of: int = Field(ge=0)
    brier: float | None
    ece: float | None
    right: Area
    passing: Area


class TruthMetrics(Record):
    """The judge against labels, once an evidence: copies of a ticket would make every interval too narrow. Of several
    tickets of one evidence, the one that went out without a person counts.

    labels               evidence by its label
    label_conflicts      evidence with two labels: in nothing here
    accuracy_decided     right of the automatic verdicts
    accuracy_proposed    proposed and right, of all that have a label: no proposal is not right
    false_pass           P(truth 不通过 | automatic 通过): what a bound is promised for
    false_pass_of_bad    P(automatic 通过 | truth 不通过)
    false_fail           P(truth 通过 | automatic 不通过)
    false_fail_of_good   P(automatic 不通过 | truth 通过)
    proposed_false_...   false_pass and false_fail of what was proposed, whether it went out or not
    coverage             verdicts that pass every gate but the threshold, at each threshold, of all that have a label
    """

    labels: dict[Verdict, int]
    label_conflicts: int = Field(ge=0)
    accuracy_decided: Rate
    accuracy_proposed: Rate
    false_pass: Rate
    false_pass_of_bad: Rate
    false_fail: Rate
    false_fail_of_good: Rate
    proposed_false_pass: Rate
    proposed_false_fail: Rate
    score: Sureness
    confidence: Sureness
    coverage: tuple[CoveragePoint, ...] | None


class Metrics(Record):
    """`metrics.json` of a judgement: it lies beside the manifest and changes when labels come."""

    schema_version: Literal[1] = 1
    run_id: str
    mission: str
    judge_key: Sha256
    notes: tuple[Note, ...]
    tickets: TicketMetrics
    judge: JudgeMetrics
    truth: TruthMetrics
    spent: Spent | None
