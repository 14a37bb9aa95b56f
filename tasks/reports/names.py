"""What a page calls what records have short names for, in Chinese and in English. Knows no page."""

from __future__ import annotations

from tasks.assurance.records import Note
from tasks.records.reasons import Reason
from tasks.records.verdicts import Decision, ReviewReason
from tasks.verdicts.names import QUARANTINE, REVIEW_REASONS

NOTES: dict[Note, tuple[str, str]] = {
    Note.UNLABELLED: (
        "没有任何标签：需要对照真值的指标均为未知。",
        "There are no labels: whatever needs the truth is unknown.",
    ),
    Note.ONE_CLASS: (
        "标签只有一种结论：总是这样回答的判定者也会显得完美；同时需要两种结论的指标为未知。",
        "All labels say the same: a judge that always says so would look perfect. What needs both is unknown.",
    ),
    Note.LABEL_CONFLICTS: (
        "有证据相同而标签不同的工单：不计入对照真值的指标。",
        "Tickets with the same evidence have different labels: they count for nothing that needs the truth.",
    ),
    Note.STRANGE_LABELS: (
        "有些标签不属于本次判定的工单：已忽略。",
        "Some labels are of tickets that are not in this judgement: they are ignored.",
    ),
    Note.NOTHING_AUTOMATIC: (
        "没有自动发出的判定：自动判定的指标为未知。",
        "No verdict went out by itself: what is said of automatic verdicts is unknown.",
    ),
}

DECISIONS = {
    Decision.PASS: ("通过", "pass"),
    Decision.FAIL: ("不通过", "fail"),
    Decision.REVIEW: ("人工复核", "review"),
}
READ, QUARANTINED = ("已发布", "published"), ("隔离", "quarantined")


def of_review(reason: ReviewReason) -> tuple[str, str]:
    """Why a person must look."""
    return REVIEW_REASONS[reason], reason.value.replace("_", " ")


def of_quarantine(reason: Reason) -> tuple[str, str]:
    """Why a photo or a group did not make it."""
    return QUARANTINE[reason], reason.value.replace("_", " ")
