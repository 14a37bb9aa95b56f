"""A judgement's metrics as part of its page: rates with intervals, score against confidence, what a threshold gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.assurance.discrimination import Area, CoveragePoint
from tasks.assurance.rates import Rate
from tasks.assurance.records import Doubt, Metrics, Sureness
from tasks.reports.names import NOTES
from tasks.reports.pages import Html, join, section, table, tag, text

MEASURES = "指标"
"""Title of the section."""

_WIDTH, _HEIGHT, _MARGIN = 520, 240, 46


def measures(metrics: Metrics) -> Html:
    """The section of metrics. What is not known is said to be 未知."""
    notes = tag("ul", *(tag("li", text(NOTES[note])) for note in metrics.notes))
    rows = [[text(name), *_rate(rate)] for name, rate in _rates(metrics)]
    parts = [
        notes,
        tag("p", text("区间为 95%：错误通过用 Clopper-Pearson，其余用 Wilson。"), class_="soft"),
        table(("指标", "值", "计数", "95% 区间", ""), rows),
        _sureness(metrics.truth.score, metrics.truth.confidence),
    ]
    if metrics.truth.coverage:
        parts += [tag("h2", text("自动率与出错率")), _curve(metrics.truth.coverage)]
    return section(MEASURES, *parts, _more(metrics))


def _rates(metrics: Metrics) -> Iterator[tuple[str, Rate]]:
    tickets, judge, truth = metrics.tickets, metrics.judge, metrics.truth
    yield "人工复核率", tickets.review
    yield "人工复核率（含被隔离的工单）", tickets.review_with_unjudged
    yield "自动通过", tickets.auto_pass
    yield "自动不通过", tickets.auto_fail
    yield "自动判定的正确率", truth.accuracy_decided
    yield "倾向的正确率（无倾向算错）", truth.accuracy_proposed
    yield "错误通过：自动通过中实为不通过", truth.false_pass
    yield "错误通过：实为不通过中自动通过", truth.false_pass_of_bad
    yield "错误不通过：自动不通过中实为通过", truth.false_fail
    yield "错误不通过：实为通过中自动不通过", truth.false_fail_of_good
    yield "倾向通过中实为不通过", truth.proposed_false_pass
    yield "倾向不通过中实为通过", truth.proposed_false_fail
    yield "候选回答合格式", judge.format
    yield "理由分句引用正确", judge.citations.right
    yield "照片顺序改变判定", judge.order_flips
    yield "判定不取决于所引照片", judge.removal_failures
    yield from _doubts("复评", judge.critic)
    yield from _doubts("事实核对", judge.facts)


def _doubts(name: str, doubt: Doubt) -> Iterator[tuple[str, Rate]]:
    yield f"{name}：给得出意见", doubt.readable
    yield f"{name}：提出异议", doubt.flagged
    yield f"{name}有异议时判定错误", doubt.wrong_if_flagged
    yield f"{name}无异议时判定错误", doubt.wrong_if_not


def _rate(rate: Rate) -> list[Html]:
    if rate.value is None or rate.low is None or rate.high is None:
        return [text("未知"), text("–"), text("–"), Html("")]
    return [
        text(f"{rate.value:.1%}"),
        text(f"{rate.count} / {rate.of}"),
        text(f"{rate.low:.1%} – {rate.high:.1%}"),
        _interval(rate.low, rate.value, rate.high),
    ]


def _interval(low: float, value: float, high: float) -> Html:
    reach = tag("i", style=f"left:{100 * low:.2f}%;width:{max(100 * (high - low), 0.5):.2f}%")
    return tag("div", reach, tag("b", style=f"left:min({100 * value:.2f}%,100% - 2px)"), class_="interval")


def _sureness(score: Sureness, confidence: Sureness) -> Html:
    names = (
        "计入的证据",
        "Brier（越小越好）",
        "ECE，10 个等量箱（越小越好）",
        "AUROC：分辨判定对错",
        "AUROC：分辨通过与不通过",
    )
    columns = [
        [str(one.of), _plain(one.brier), _plain(one.ece), _area(one.right), _area(one.passing)]
        for one in (score, confidence)
    ]
    rows = [[text(cell) for cell in row] for row in zip(names, *columns, strict=True)]
    return join([tag("h2", text("分数与自报置信度")), table(("", "分数", "自报置信度"), rows, "narrow")])


def _area(area: Area) -> str:
    if area.value is None:
        return f"未知（{area.true} 对 {area.false}）"
    return f"{area.value:.3f}（{area.low:.3f} – {area.high:.3f}；{area.true} 对 {area.false}）"


def _plain(value: float | None) -> str:
    return "未知" if value is None else f"{value:.4f}"


def _curve(points: Sequence[CoveragePoint]) -> Html:
    """Error against share automatic, with its interval, from the strictest threshold to the laxest."""
    top = max([point.error.high or 0.0 for point in points if point.automatic >= 5], default=0.0) or 1.0

    def at(share: float, error: float) -> str:
        across, up = share * (_WIDTH - 2 * _MARGIN), min(error / top, 1.0) * (_HEIGHT - 2 * _MARGIN)
        return f"{_MARGIN + across:.1f},{_HEIGHT - _MARGIN - up:.1f}"

    band = [at(point.share, point.error.high or 0.0) for point in points]
    band += [at(point.share, point.error.low or 0.0) for point in reversed(points)]
    line = [at(point.share, point.error.value or 0.0) for point in points]
    low, left = _HEIGHT - _MARGIN, _MARGIN
    shapes = [
        tag("polygon", points=" ".join(band), fill="#dbe9fd"),
        tag("polyline", points=" ".join(line), fill="none", stroke="#1f6feb"),
        tag("path", d=f"M{left} {_MARGIN}V{low}H{_WIDTH - _MARGIN}", fill="none", stroke="#6b7683"),
        *(_label(_MARGIN + part * (_WIDTH - 2 * _MARGIN), low + 16, f"{part:.0%}", "middle") for part in (0, 0.5, 1)),
        *(_label(left - 6, low - part * (low - _MARGIN) + 4, f"{part * top:.1%}", "end") for part in (0, 0.5, 1)),
        _label(_WIDTH / 2, _HEIGHT - 10, "自动判定占有标签证据的比例", "middle"),
        _label(left, _MARGIN - 14, "出错率与 95% 区间", "start"),
    ]
    return tag("svg", *shapes, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", width=str(_WIDTH), role="img")


def _label(x: float, y: float, words: str, anchor: str) -> Html:
    return Html(
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12" fill="#1d2733">{text(words)}</text>'
    )


def _more(metrics: Metrics) -> Html:
    """Counts that are no rates."""
    judge, spent, labels = metrics.judge, metrics.spent, metrics.truth.labels
    mean = "未知" if judge.agreement.mean is None else f"{judge.agreement.mean:.3f}"
    levels = "，".join(f"{level}：{count}" for level, count in judge.agreement.distribution.items()) or "–"
    told = [
        ("标签", "，".join(f"{verdict.value} {count}" for verdict, count in labels.items())),
        ("标签相互矛盾的证据", str(metrics.truth.label_conflicts)),
        ("候选一致程度", f"平均 {mean}；分布 {levels}"),
        ("格式错误", "，".join(f"{name} {count}" for name, count in judge.violations.items()) or "–"),
        ("沿用人工答复", str(metrics.tickets.reused)),
        ("抽中盲审", str(metrics.tickets.audited)),
    ]
    if spent is not None:
        names = ("本次提问", "沿用以前的回答", "读入词元", "写出词元", "秒")
        values = (spent.asked, spent.reused, spent.prompt_tokens, spent.completion_tokens, spent.seconds)
        told += [(name, str(value)) for name, value in zip(names, values, strict=True) if value is not None]
    return join([tag("h2", text("其他计数")), table(("项目", "值"), [[text(n), text(v)] for n, v in told], "narrow")])
