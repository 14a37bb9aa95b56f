"""What a person reads of a judgement in Prefect's UI: Chinese first. Knows no Prefect and no terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from tasks.records.verdicts import Decision, Selection
from tasks.runs.report import code, safe
from tasks.verdicts.names import REVIEW_REASONS
from tasks.verdicts.publish import PublishedJudgement

_SAMPLES = 12


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
        lines += [f"| {REVIEW_REASONS[reason]} `{reason}` | {count} |" for reason, count in reasons.most_common()]
    lines += ["", "## 头几个工单", "", "| 工单 | 结论 | 提议 | 得分 | 依据 |", "| --- | --- | --- | --- | --- |"]
    for one in selections[:_SAMPLES]:
        score = "" if one.score is None else f"{one.score:.3f}"
        told = safe(one.reason or "、".join(REVIEW_REASONS[reason] for reason in one.review_reasons))
        lines.append(f"| {safe(one.ticket_id)} | {one.decision.value} | {one.proposed or ''} | {score} | {told} |")
    return "\n".join(lines) + "\n"
