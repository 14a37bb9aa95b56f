"""What a person reads of a judgement in Prefect's UI: Chinese first. Knows no Prefect and no terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from tasks.records.verdicts import Decision, ReviewReason, Selection
from tasks.runs.report import code, safe
from tasks.verdicts.publish import PublishedJudgement

_SAMPLES = 12

REASON_NAMES = {
    ReviewReason.NO_CANDIDATE_PARSES: "没有一份候选判定能读",
    ReviewReason.FEW_CANDIDATES_PARSE: "能读的候选判定不到一半",
    ReviewReason.TIE: "没有多数",
    ReviewReason.LOW_AGREEMENT: "候选判定分歧大",
    ReviewReason.BELOW_THRESHOLD: "得分低于门槛",
    ReviewReason.UNCALIBRATED: "未认证",
    ReviewReason.CRITIC_ASKS: "复核员要求再看",
    ReviewReason.CRITIC_UNREADABLE: "复核意见大多不能读",
    ReviewReason.EVIDENCE_INSUFFICIENT: "照片证据不足",
    ReviewReason.FACTS_DISAGREE: "与事实检查不一致",
    ReviewReason.CLAIM_NOT_IN_SUMMARY: "依据在摘要里找不到",
    ReviewReason.CLAUSE_WITHOUT_PHOTO: "依据没有注明照片",
    ReviewReason.ORDER_CHANGES_VERDICT: "照片换个顺序结论就变",
    ReviewReason.REASON_NOT_DECISIVE: "去掉所引照片结论不变",
    ReviewReason.ALL_IRRELEVANT: "全部是无关图片",
    ReviewReason.INCOMPLETE_GROUP: "工单未标记完成",
    ReviewReason.PHOTO_QUARANTINED: "有照片没能读",
    ReviewReason.RECYCLED_PHOTO: "照片在别的工单里出现过",
    ReviewReason.PROMPT_TOO_LONG: "照片太多，放不进一次提问",
    ReviewReason.INSTRUCTION_IN_SUMMARY: "摘要里有指令",
}
"""What people call the reasons."""


def markdown(
    published: PublishedJudgement,
    selections: Sequence[Selection],
    seconds: float,
    *,
    uncalibrated: Literal["review", "allow"],
) -> str:
    """The page of a judgement: decisions, why people must look, the first verdicts with their reasons."""
    manifest = published.manifest
    rows = [
        *((f"**{decision.value}**", str(manifest.decisions[decision])) for decision in Decision),
        ("没有判定的组（Stage-A隔离）", str(manifest.unjudged)),
        ("工单", str(manifest.tickets)),
        ("不同的证据", str(manifest.evidences)),
        ("认证", "未认证" + ("，判定照样生效" if uncalibrated == "allow" else "，全部交人复核")),
        ("评分", "对数概率" if manifest.judge["scoring"] == "logprobs" else "票数比例"),
        ("判定员", f"`{manifest.judge_key[:12]}`"),
        ("秒", f"{seconds:.1f}"),
        ("清单", code(published.uri)),
    ]
    lines = [f"# {safe(manifest.mission)}：判定", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in rows]
    reasons = Counter(reason for selection in selections for reason in selection.review_reasons)
    if reasons:
        lines += ["", "## 为什么要人复核", "", "| 原因 | 工单 |", "| --- | --- |"]
        lines += [f"| {REASON_NAMES[reason]} `{reason}` | {count} |" for reason, count in reasons.most_common()]
    lines += ["", "## 头几个工单", "", "| 工单 | 结论 | 提议 | 得分 | 依据 |", "| --- | --- | --- | --- | --- |"]
    for one in selections[:_SAMPLES]:
        score = "" if one.score is None else f"{one.score:.3f}"
        told = safe(one.reason or "、".join(REASON_NAMES[reason] for reason in one.review_reasons))
        lines.append(f"| {safe(one.ticket_id)} | {one.decision.value} | {one.proposed or ''} | {score} | {told} |")
    return "\n".join(lines) + "\n"
