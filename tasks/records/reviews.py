"""What people do with a group, an object each: `stage_b/<mission>/reviews/<answer key>/<UTC>-<id>.json`.

Append-only: what a group's state is follows from all of its events, in the order of their keys.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from tasks.records.base import Record, Sha256
from tasks.records.verdicts import Verdict


class Queue(StrEnum):
    """Why a person looks at a group. What comes of one queue never counts for another."""

    CERTIFY = "certify"
    """Drawn at random by a look: its label counts for the bound."""
    AUDIT = "audit"
    """Drawn at random of automatic verdicts: its label counts for how often they are wrong."""
    FIX = "fix"
    """Doubtful: picked because it is, so that its label says nothing of other groups."""


class ReviewEvent(Record):
    """One event. `cites` are photos by the keys of the ticket; `blind` says that the judge's verdict was not shown;
    `before_reveal` is the verdict that was given before it was. `seconds` is how long the person took. `judge_key` and
    `run_id` are of the judgement that was shown."""

    event: Literal["opened", "claimed", "answered", "withdrawn", "corrected"]
    queue: Queue
    answer_key: Sha256
    evidence_digest: Sha256
    group_id: str
    verdict: Verdict | None = None
    reason: str | None = None
    cites: tuple[str, ...] = ()
    reviewer: str
    at: str
    blind: bool = False
    before_reveal: Verdict | None = None
    seconds: float | None = Field(None, ge=0)
    judge_key: Sha256 | None = None
    run_id: str | None = None
