"""What pages in Chinese call the reasons for which a person must look. Knows no page."""

from __future__ import annotations

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
