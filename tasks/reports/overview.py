"""What stands above and below the groups of a page: counts, why people must look, metrics, the source of it all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from tasks.assurance.records import Metrics
from tasks.records.stage_a import RunManifest
from tasks.records.verdicts import Decision, JudgementManifest, ReviewReason, Selection
from tasks.reports.groups import State
from tasks.reports.markup import Words, both, join, table, tag, text
from tasks.reports.measures import measures
from tasks.reports.names import DECISIONS, QUARANTINED, READ, of_review

_KINDS = {"review": DECISIONS[Decision.REVIEW], "fail": DECISIONS[Decision.FAIL], "pass": DECISIONS[Decision.PASS]}


@dataclass
class Totals:
    """What is on a page. `kinds` counts groups, `reasons` those that a reason sends to a person, and `alone` those
    among them for which there is no other; `certified` is whether every automatic verdict has a threshold."""

    kinds: Counter[str] = field(default_factory=Counter)
    reasons: Counter[ReviewReason] = field(default_factory=Counter)
    alone: Counter[ReviewReason] = field(default_factory=Counter)
    reused: int = 0
    certified: bool = True

    @classmethod
    def of(cls, selections: Iterable[Selection], quarantined: int) -> Totals:
        """Of a judgement, read once."""
        found = cls()
        for one in selections:
            found.kinds[DECISIONS[one.decision][1]] += 1
            found.reasons.update(one.review_reasons)
            if len(one.review_reasons) == 1:
                found.alone.update(one.review_reasons)
            found.reused += one.reused_from is not None
            found.certified &= one.decision is Decision.REVIEW or one.threshold is not None
        found.kinds["quarantined"] = quarantined
        return found


@dataclass(frozen=True)
class Filters:
    """What the groups of a page can be told apart by: code and words."""

    kinds: tuple[tuple[str, Words], ...]
    reasons: tuple[tuple[str, Words], ...]


def filters(totals: Totals, reasons: Mapping[str, Words]) -> Filters:
    """Of what there is; `reasons` are those that its groups have."""
    named = {**_KINDS, "read": READ, "quarantined": QUARANTINED}
    return Filters(tuple((kind, words) for kind, words in named.items() if totals.kinds[kind]), tuple(reasons.items()))


def above_judgement(manifest: JudgementManifest, totals: Totals) -> Markup:
    """Of a judgement: whether it is certified, what was decided, and why people must look."""
    warning = Markup("")
    if manifest.calibration is None or not totals.certified:
        badge = tag("span", both("未认证", "not certified"), class_="badge open")
        told = both(
            " 自动判定的出错率没有上限保证；“通过”和“不通过”都只是判定者的意见。",
            " Nothing bounds the errors of automatic verdicts: pass and fail are a judge's opinion.",
        )
        warning = tag("p", badge, told, class_="warn")
    reused = both(f"其中 {totals.reused} 单沿用人工已有的答复。", f"{totals.reused} have a person's answer of before.")
    return join(
        [
            warning,
            _cards({**_KINDS, "quarantined": ("隔离，未判", "quarantined, not judged")}, totals.kinds),
            tag("p", reused) if totals.reused else Markup(""),
            _reasons(totals),
        ]
    )


def above_summaries(manifest: RunManifest) -> Markup:
    """Of a Stage-A run: how much of it was published."""
    counts = manifest.counts
    found = Counter({"read": counts.groups_published, "quarantined": counts.groups_quarantined})
    return _cards({"read": READ, "quarantined": QUARANTINED}, found)


def photos_found(states: Counter[State]) -> Markup:
    """How many photos could be shown, and what became of the others; nothing where none was looked for."""
    named: dict[State, Words] = {
        "changed": ("已被更换", "changed"),
        "missing": ("不在原处", "missing"),
        "unreadable": ("无法读取", "unreadable"),
        "none": ("来源不明", "of unknown origin"),
    }
    bad = [(words, states[state]) for state, words in named.items() if states[state]]
    total = sum(states.values())
    zh = "，".join(f"{words[0]} {count} 张" for words, count in bad)
    en = ", ".join(f"{count} {words[1]}" for words, count in bad)
    told = both(
        f"照片 {total} 张，显示 {states['shown']} 张" + (f"；{zh}。" if bad else "。"),
        f"{states['shown']} of {total} photos are shown" + (f"; {en}." if bad else "."),
    )
    return tag("p", told, class_="warn" if bad else "soft")


def below_judgement(manifest: JudgementManifest, metrics: Metrics | None, source: str = "") -> Markup:
    """How far a judgement can be trusted, and where it comes from."""
    none = both("无", "none")
    rows = [
        [both("判定者", "judge"), tag("code", text(manifest.judge_key))],
        [both("认证", "certificate"), _code(manifest.calibration, both("未认证", "not certified"))],
        [both("人工答复", "answers of people"), _code(manifest.reviews, none)],
        [both("工单文件", "tickets"), tag("code", text(manifest.tickets_sha256))],
        [both("Stage-A 运行", "Stage-A run"), _code(source or None, both("未找到", "not found"))],
        [both("判定者的全部设置", "all settings of the judge"), _unfolded(manifest.judge)],
    ]
    return join([measures(metrics) if metrics else Markup(""), _source(rows)])


def below_summaries(manifest: RunManifest) -> Markup:
    """Where summaries come from."""
    rows = [
        [both("检查点", "checkpoint"), tag("code", text(manifest.checkpoint))],
        [both("提示词", "prompt"), tag("code", text(manifest.prompt))],
        [both("全部设置", "all settings"), _unfolded(manifest.settings)],
    ]
    return _source(rows)


def _cards(named: Mapping[str, Words], counts: Counter[str]) -> Markup:
    total = sum(counts[kind] for kind in named)
    cards, parts, at = [], [], 0.0
    for kind, words in named.items():
        share = counts[kind] / total if total else 0.0
        badge = tag("span", both(*words), class_=f"badge {kind}")
        told = tag("small", text(f"{share:.1%}" if total else "–"))
        cards.append(tag("div", badge, tag("b", text(counts[kind])), told))
        parts.append(tag("rect", x=f"{100 * at:.3f}", y="0", width=f"{100 * share:.3f}", height="1", class_=kind))
        at += share
    bar = tag("svg", *parts, class_="bar", viewBox="0 0 100 1", preserveAspectRatio="none", role="img")
    return join([tag("div", *cards, class_="cards"), bar])


def _reasons(totals: Totals) -> Markup:
    title = tag("h2", both("复核原因", "Why people must look"))
    if not totals.reasons:
        return join([title, tag("p", both("没有工单需要人工复核。", "No group needs a person."))])
    rows = [
        [
            both(*of_review(reason)),
            tag("code", text(reason.value)),
            text(totals.reasons[reason]),
            text(totals.alone[reason]),
        ]
        for reason in ReviewReason
        if totals.reasons[reason]
    ]
    words = both("按严重程度排列；一单可有多个原因。", "Gravest first; a group may have several.")
    head = [("原因", "reason"), ("代码", "code"), ("工单数", "groups"), ("仅此一项", "this one alone")]
    return join([title, tag("p", words, class_="soft"), table(head, rows)])


def _source(rows: Iterable[list[Markup]]) -> Markup:
    return join([tag("h2", both("来源", "Where it comes from")), table([("项目", "item"), ("值", "value")], rows)])


def _unfolded(settings: Mapping[str, object]) -> Markup:
    told = json.dumps(settings, ensure_ascii=False, indent=1)
    return tag("details", tag("summary", both("展开", "show")), tag("pre", text(told)))


def _code(value: str | None, otherwise: Markup) -> Markup:
    return tag("code", text(value)) if value else otherwise
