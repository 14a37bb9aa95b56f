"""One ticket as a row of a judgement's page: what was decided, how sure, and why, with the photos beside the words."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.records.stage_b import Ticket
from tasks.records.verdicts import Clause, CriticReading, Decision, Selection, Verdict
from tasks.reports.pages import Html, badge, join, tag, text
from tasks.verdicts.critic import flags
from tasks.verdicts.names import REVIEW_REASONS

KINDS = {Decision.PASS: "pass", Decision.FAIL: "fail", Decision.REVIEW: "review"}
"""Colours of decisions, by the names that the page's style has."""

_CHECKS = {"ok": "", "wrong": "所引摘要中没有", "uncited": "没有引用照片"}


def ticket_row(selection: Selection, ticket: Ticket | None) -> list[Html]:
    """The cells of a ticket: id, decision, score, reason, checks, why a person must look. Without the ticket itself,
    which an incomplete folder may lack, there are no summaries."""
    return [
        tag("b", text(selection.ticket_id), class_="id"),
        _decision(selection),
        _score(selection),
        join([_reason(selection), _photos(selection, ticket)]),
        _list(_checks(selection)),
        _list(text(REVIEW_REASONS[reason]) for reason in selection.review_reasons),
    ]


def _decision(selection: Selection) -> Html:
    parts = [badge(selection.decision.value, KINDS[selection.decision])]
    if selection.decision is Decision.REVIEW:
        parts.append(tag("div", tag("small", text(f"倾向：{selection.proposed or '无'}"))))
    elif selection.reused_from is not None:
        parts.append(tag("div", tag("small", text("沿用人工答复"))))
    elif selection.threshold is None:
        parts.append(tag("div", badge("未认证", "open")))
    if selection.audit is not None:
        parts.append(tag("div", tag("small", text("抽中盲审"))))
    return join(parts)


def _score(selection: Selection) -> Html:
    votes = selection.votes
    lines = [
        f"分数 {_number(selection.score)}",
        f"一致 {selection.agreement:.2f}",
        f"通过 {votes.passed} · 不通过 {votes.failed} · 未读出 {votes.none}",
    ]
    if selection.threshold is not None:
        lines.insert(1, f"阈值 {_number(selection.threshold)}")
    return join(tag("div", tag("small", text(line))) for line in lines)


def _reason(selection: Selection) -> Html:
    if not selection.clauses:
        return tag("p", text(selection.reason or "没有可给出的理由。"), class_="soft")
    return tag("ul", *(tag("li", _clause(clause)) for clause in selection.clauses))


def _clause(clause: Clause) -> Html:
    doubt = _CHECKS[clause.check]
    told = "".join(f" [{cite}]" for cite in clause.cites) + (f"（{doubt}）" if doubt else "")
    return join([tag("span", text(clause.text), class_="bad" if doubt else "ok"), tag("small", text(told))])


def _photos(selection: Selection, ticket: Ticket | None) -> Html:
    """The photos that the reason cites, each with its name and its summary; the others can be unfolded."""
    if ticket is None:
        return Html("")
    cited = {cite for clause in selection.clauses for cite in clause.cites}
    photos = [
        (key in cited, tag("div", tag("small", text(f"[{key}] {name}："), tag("q", text(summary)))))
        for name, (key, summary) in zip(ticket.images, ticket.summaries.items(), strict=True)
    ]
    others = [shown for is_cited, shown in photos if not is_cited]
    folded = tag("details", tag("summary", text(f"其余 {len(others)} 张照片")), *others) if others else Html("")
    return join([*(shown for is_cited, shown in photos if is_cited), folded])


def _checks(selection: Selection) -> Iterator[Html]:
    order, removal = selection.checks.order, selection.checks.removal
    if selection.sole_photo:
        yield text("只有一张照片")
    if order is not None:
        yield _found(not order.flips, "照片顺序不改变判定", "照片顺序改变判定")
    if removal is not None:
        told = f"（去掉所引照片 {_number(removal.without)}，只留所引照片 {_number(removal.alone)}）"
        yield _found(removal.holds, f"判定取决于所引照片{told}", f"判定不取决于所引照片{told}")
    if selection.facts is not None:
        yield _facts(selection.facts.verdict, selection.facts.failing, selection.proposed)
    if selection.critic is not None:
        yield _critic(selection.critic, selection.proposed)


def _facts(verdict: Verdict | None, failing: tuple[str, ...], proposed: Verdict | None) -> Html:
    told = f"事实核对：{verdict or '未知'}" + (f"（不符：{'，'.join(failing)}）" if failing else "")
    return text(told) if verdict is None else _found(verdict is proposed, told, told)


def _critic(critic: CriticReading, proposed: Verdict | None) -> Html:
    if not critic.format_ok:
        return _found(False, "", "复评：无法读取")
    head = f"复评：{critic.verdict}，建议{critic.recommended_action}"
    agrees = proposed is not None and not flags(critic, proposed)
    return join([_found(agrees, head, head), tag("div", tag("small", text(critic.critique or "")))])


def _found(good: bool, yes: str, no: str) -> Html:
    return tag("span", text(yes if good else no), class_="ok" if good else "bad")


def _list(items: Iterator[Html]) -> Html:
    told = list(items)
    return tag("ul", *(tag("li", item) for item in told)) if told else Html("–")


def _number(value: float | None) -> str:
    """Three digits; 0.9996 is not shown as certain."""
    return "–" if value is None else f"{value if value >= 1 else min(value, 0.999):.3f}"
