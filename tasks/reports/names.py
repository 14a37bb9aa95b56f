"""What a page in Chinese calls the closed lists of the records. Knows no page."""

from __future__ import annotations

from tasks.assurance.records import Note
from tasks.records.reasons import Reason

QUARANTINE: dict[Reason, str] = {
    Reason.EMPTY_FILE: "空文件",
    Reason.NOT_AN_IMAGE: "不是图片",
    Reason.UNSUPPORTED_FORMAT: "不支持的图片格式",
    Reason.EXTENSION_MISMATCH: "扩展名与内容不符",
    Reason.TRUNCATED_IMAGE: "图片不完整",
    Reason.CORRUPT_IMAGE: "图片已损坏",
    Reason.TOO_MANY_BYTES: "文件太大",
    Reason.TOO_MANY_PIXELS: "像素太多",
    Reason.TOO_SMALL: "图片太小",
    Reason.TOO_ELONGATED: "图片过于细长",
    Reason.BAD_NAME: "名称无法使用",
    Reason.UNREADABLE: "无法读取",
    Reason.CHANGED: "照片在读取期间被更换",
    Reason.SUMMARY_INVALID: "摘要不合格式",
    Reason.PROMPT_TOO_LONG: "问题太长，超出模型上限",
    Reason.CAPTION_INVALID: "标注不合格式",
    Reason.CONTENT_REFUSED: "被服务器的内容过滤拒绝",
    Reason.REQUEST_REFUSED: "被服务器拒绝",
    Reason.ANSWER_REPEATS: "回答不断重复",
    Reason.ANSWER_BROKEN_OFF: "回答中断",
    Reason.ENGINE_FAILED: "推理失败",
    Reason.NO_SCORES: "服务器不提供分数",
    Reason.EMPTY_GROUP: "工单没有照片",
    Reason.UNCLEAR_LABEL: "标签文件夹名称不明",
    Reason.MARKER_MISSING: "缺少完成标记",
    Reason.DUPLICATE_PHOTO: "工单内有重复照片",
    Reason.PHOTO_REJECTED: "有照片被隔离，整单不判",
}

NOTES: dict[Note, str] = {
    Note.UNLABELLED: "没有任何标签：需要对照真值的指标均为未知。",
    Note.ONE_CLASS: "标签只有一种结论：总是这样回答的判定者也会显得完美；同时需要两种结论的指标为未知。",
    Note.LABEL_CONFLICTS: "有证据相同而标签不同的工单：不计入对照真值的指标。",
    Note.STRANGE_LABELS: "有些标签不属于本次判定的工单：已忽略。",
    Note.NOTHING_AUTOMATIC: "没有自动发出的判定：自动判定的指标为未知。",
}
