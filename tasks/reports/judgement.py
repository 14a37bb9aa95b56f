"""`report.html`: a judgement on one page in Chinese, for whoever has to act on it. Knows no store.

What a model wrote and what files are called is text of strangers: `tasks.reports.pages` escapes all of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tasks.assurance.records import Metrics
from tasks.records.stage_b import Ticket, Unjudged
from tasks.records.verdicts import Decision, JudgementManifest, ReviewReason, Selection
from tasks.reports.measures import MEASURES, measures
from tasks.reports.pages import Html, badge, contents, join, page, section, table, tag, text
from tasks.reports.tickets import KINDS, ticket_row
from tasks.verdicts.names import QUARANTINE, REVIEW_REASONS

SHOWN = 1000
"""Tickets on the page: a browser shows no more with ease. All of them are in `selections.jsonl`."""

REVIEW, QUARANTINED, TICKETS, SOURCE = "复核原因", "被隔离的工单", "工单", "来源"
"""The page's sections, beside the metrics."""

_HEAD = ("工单", "判定", "分数", "理由与所引照片", "检查", "复核原因")
_ORDER = {Decision.REVIEW: 0, Decision.FAIL: 1, Decision.PASS: 2}


def judgement_page(
    manifest: JudgementManifest,
    tickets: Iterable[Ticket],
    selections: Iterable[Selection],
    unjudged: Iterable[Unjudged] = (),
    metrics: Metrics | None = None,
) -> str:
    """The page of a judgement: what was decided, why people must look, every ticket, and how far it can be trusted."""
    told, quarantined = list(selections), list(unjudged)
    return page(
        f"{manifest.mission} 判定报告",
        _top(manifest, told),
        _cards(told, len(quarantined)),
        contents(REVIEW, QUARANTINED, TICKETS, *([MEASURES] if metrics else []), SOURCE),
        tag("div", _review(told), _unjudged(quarantined), class_="beside"),
        _tickets({ticket.ticket_id: ticket for ticket in tickets}, told),
        measures(metrics) if metrics else Html(""),
        _judge(manifest),
    )


def _top(manifest: JudgementManifest, told: Sequence[Selection]) -> Html:
    certified = manifest.calibration is not None and all(
        one.threshold is not None for one in told if one.decision is not Decision.REVIEW
    )
    warning = (
        Html("")
        if certified
        else tag(
            "p",
            badge("未认证", "open"),
            text(" 自动判定的出错率没有上限保证；“通过”和“不通过”都只是判定者的意见。"),
            class_="warn",
        )
    )
    runs = f"运行 {manifest.run_id} · 工单 {manifest.tickets} · 不同证据 {manifest.evidences}"
    return join([tag("h1", text(f"{manifest.mission}：判定报告")), tag("p", text(runs), class_="soft"), warning])


def _cards(told: Sequence[Selection], unjudged: int) -> Html:
    counts = Counter(one.decision for one in told)
    shown = [(decision.value, KINDS[decision], counts[decision]) for decision in Decision]
    shown.append(("隔离，未判", "none", unjudged))
    total = sum(count for _, _, count in shown)
    cards = (
        tag("div", badge(name, kind), tag("b", text(count)), tag("small", text(_share(count, total))), class_="card")
        for name, kind, count in shown
    )
    bar = (
        tag("span", class_=kind, style=f"width:{100 * count / total:.2f}%", title=f"{name} {count}")
        for name, kind, count in shown
        if count
    )
    reused = sum(one.reused_from is not None for one in told)
    words = f"其中 {reused} 单沿用人工已有的答复。" if reused else ""
    return join([tag("div", *cards, class_="cards"), tag("div", *bar, class_="bar"), tag("p", text(words))])


def _review(told: Sequence[Selection]) -> Html:
    counts = Counter(reason for one in told for reason in one.review_reasons)
    alone = Counter(one.review_reasons[0] for one in told if len(one.review_reasons) == 1)
    if not counts:
        return section(REVIEW, tag("p", text("没有工单需要人工复核。")))
    rows = [
        [text(REVIEW_REASONS[reason]), tag("code", text(reason.value)), text(counts[reason]), text(alone[reason])]
        for reason in ReviewReason
        if counts[reason]
    ]
    words = tag("p", text("按严重程度排列；一单可有多个原因。"), class_="soft")
    return section(REVIEW, words, table(("原因", "代码", "工单数", "仅此一项"), rows, "narrow"))


def _tickets(tickets: Mapping[str, Ticket], told: Sequence[Selection]) -> Html:
    ordered = sorted(told, key=lambda one: _ORDER[one.decision])
    rows = (ticket_row(one, tickets.get(one.ticket_id)) for one in ordered[:SHOWN])
    left = len(ordered) - SHOWN
    words = f"先列需人工复核的。另有 {left} 单未列出，见 selections.jsonl。" if left > 0 else "先列需人工复核的。"
    return section(TICKETS, tag("p", text(words), class_="soft"), table(_HEAD, rows))


def _unjudged(quarantined: Sequence[Unjudged]) -> Html:
    if not quarantined:
        return section(QUARANTINED, tag("p", text("没有。")))
    rows = [
        [text(one.group_id), text(QUARANTINE[one.reason]), tag("code", text(one.reason.value))]
        for one in quarantined[:SHOWN]
    ]
    words = f"{len(quarantined)} 单在判定之前被隔离，同样需要人处理，不在复核率之内。"
    if len(quarantined) > SHOWN:
        words += f"下面列出前 {SHOWN} 单。"
    return section(QUARANTINED, tag("p", text(words), class_="soft"), table(("工单", "原因", "代码"), rows, "narrow"))


def _judge(manifest: JudgementManifest) -> Html:
    told = json.dumps(manifest.judge, ensure_ascii=False, indent=1)
    rows = [
        [text("判定者"), tag("code", text(manifest.judge_key))],
        [text("认证"), tag("code", text(manifest.calibration)) if manifest.calibration else text("未认证")],
        [text("人工答复"), tag("code", text(manifest.reviews)) if manifest.reviews else text("无")],
        [text("工单文件"), tag("code", text(manifest.tickets_sha256))],
        [text("判定者的全部设置"), tag("details", tag("summary", text("展开")), tag("pre", text(told)))],
    ]
    return section(SOURCE, table(("项目", "值"), rows, "narrow"))


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}" if total else "–"
