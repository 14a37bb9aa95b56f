"""What pages in Chinese call the reasons why a person must look, and those of Stage-A's quarantine. Knows no page."""

from __future__ import annotations

from tasks.records.reasons import Reason
from tasks.records.verdicts import ReviewReason

REVIEW_REASONS: dict[ReviewReason, str] = {
    ReviewReason.NO_CANDIDATE_PARSES: "候选回答全部无法读取",
    ReviewReason.FEW_CANDIDATES_PARSE: "能读取的候选回答不到一半",
    ReviewReason.TIE: "没有一方过半数",
    ReviewReason.LOW_AGREEMENT: "候选回答分歧大",
    ReviewReason.BELOW_THRESHOLD: "分数低于阈值",
    ReviewReason.UNCALIBRATED: "未认证",
    ReviewReason.CRITIC_ASKS: "复评要求人工查看",
    ReviewReason.CRITIC_UNREADABLE: "复评大多无法读取",
    ReviewReason.EVIDENCE_INSUFFICIENT: "复评认为证据不足",
    ReviewReason.FACTS_DISAGREE: "与事实核对不一致",
    ReviewReason.CLAIM_NOT_IN_SUMMARY: "理由在所引照片的摘要中找不到",
    ReviewReason.CLAUSE_WITHOUT_PHOTO: "理由没有引用照片",
    ReviewReason.ORDER_CHANGES_VERDICT: "照片顺序改变判定",
    ReviewReason.REASON_NOT_DECISIVE: "所引照片不足以决定判定",
    ReviewReason.ALL_IRRELEVANT: "全部是无关图片",
    ReviewReason.INCOMPLETE_GROUP: "工单照片未传完",
    ReviewReason.PHOTO_QUARANTINED: "有照片被隔离",
    ReviewReason.RECYCLED_PHOTO: "照片与其他工单重复",
    ReviewReason.PROMPT_TOO_LONG: "摘要太长，超出模型上限",
    ReviewReason.INSTRUCTION_IN_SUMMARY: "摘要中含有指令性文字",
}

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
