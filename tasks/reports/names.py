"""What a page in Chinese calls the notes of the metrics. Knows no page."""

from __future__ import annotations

from tasks.assurance.records import Note

NOTES: dict[Note, str] = {
    Note.UNLABELLED: "没有任何标签：需要对照真值的指标均为未知。",
    Note.ONE_CLASS: "标签只有一种结论：总是这样回答的判定者也会显得完美；同时需要两种结论的指标为未知。",
    Note.LABEL_CONFLICTS: "有证据相同而标签不同的工单：不计入对照真值的指标。",
    Note.STRANGE_LABELS: "有些标签不属于本次判定的工单：已忽略。",
    Note.NOTHING_AUTOMATIC: "没有自动发出的判定：自动判定的指标为未知。",
}
