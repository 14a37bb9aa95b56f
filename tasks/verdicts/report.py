"""What a person reads of a judgement in Prefect's UI: Chinese first. Knows no Prefect and no terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from tasks.records.stage_b import Unjudged
from tasks.records.verdicts import Decision, Selection, Verdict
from tasks.runs.keys import REPORT, UNJUDGED
from tasks.runs.report import code, safe
from tasks.verdicts.names import QUARANTINE, REVIEW_REASONS
from tasks.verdicts.publish import PublishedJudgement

_SAMPLES = 12

_QUARANTINED = 100
"""Groups without a verdict on the page; all of them are in `unjudged.jsonl`."""


def markdown(
    published: PublishedJudgement,
    selections: Sequence[Selection],
    unjudged: Sequence[Unjudged],
    seconds: float,
    *,
    uncalibrated: Literal["review", "allow"],
) -> str:
    """The page of a judgement: decisions, why people must look, the groups that were not judged and why, the first
    verdicts with their reasons."""
    manifest = published.manifest
    rows = [
        *((f"**{decision.value}**", str(manifest.decisions[decision])) for decision in Decision),
        ("没有判定的组（Stage-A隔离）", str(manifest.unjudged)),
        ("工单", str(manifest.tickets)),
        ("不同的证据", str(manifest.evidences)),
        ("认证", _certified(selections, "判定照样生效" if uncalibrated == "allow" else "全部交人复核")),
        ("抽查", str(sum(one.audit is not None for one in selections))),
        ("评分", "对数概率" if manifest.judge["scoring"] == "logprobs" else "票数比例"),
        ("判定员", f"`{manifest.judge_key[:12]}`"),
        ("秒", f"{seconds:.1f}"),
        ("清单", code(published.uri)),
        ("报告", code(f"{published.uri.rpartition('/')[0]}/{REPORT}")),
    ]
    lines = [f"# {safe(manifest.mission)}：判定", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in rows]
    reasons = Counter(reason for selection in selections for reason in selection.review_reasons)
    if reasons:
        lines += ["", "## 为什么要人复核", "", "| 原因 | 工单 |", "| --- | --- |"]
        lines += [f"| {REVIEW_REASONS[reason]} `{reason}` | {count} |" for reason, count in reasons.most_common()]
    lines += _quarantined(unjudged)
    lines += ["", "## 头几个工单", "", "| 工单 | 结论 | 提议 | 得分 | 依据 |", "| --- | --- | --- | --- | --- |"]
    for one in selections[:_SAMPLES]:
        score = "" if one.score is None else f"{one.score:.3f}"
        told = safe(one.reason or "、".join(REVIEW_REASONS[reason] for reason in one.review_reasons))
        lines.append(f"| {safe(one.ticket_id)} | {one.decision.value} | {one.proposed or ''} | {score} | {told} |")
    return "\n".join(lines) + "\n"


def _quarantined(unjudged: Sequence[Unjudged]) -> list[str]:
    if not unjudged:
        return []
    words = f"{len(unjudged)} 组在判定之前被 Stage-A 隔离，没有判定，同样需要人处理。"
    if len(unjudged) > _QUARANTINED:
        words += f"下面是前 {_QUARANTINED} 组，全部在 {code(UNJUDGED)}。"
    rows = [f"| {safe(one.group_id)} | {QUARANTINE[one.reason]} `{one.reason}` |" for one in unjudged[:_QUARANTINED]]
    return ["", "## 没有判定的组", "", words, "", "| 组 | 原因 |", "| --- | --- |", *rows]


def _certified(selections: Sequence[Selection], without: str) -> str:
    """The certified threshold of each direction, and what becomes of a verdict without one."""
    known = {one.proposed: one.threshold for one in selections if one.threshold is not None}
    if not known:
        return f"未认证，{without}"
    told = {one: f"分数不低于{known[one]:.4f}" if one in known else f"未认证，{without}" for one in Verdict}
    return "；".join(f"{verdict.value}：{words}" for verdict, words in told.items())
