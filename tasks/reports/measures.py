"""A judgement's metrics as part of its page: rates with intervals, score against confidence, what a threshold gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from tasks.assurance.discrimination import Area, CoveragePoint
from tasks.assurance.rates import Rate
from tasks.assurance.records import Doubt, Metrics, Sureness
from tasks.reports.markup import Words, both, join, table, tag, text
from tasks.reports.names import NOTES

_WIDTH, _HEIGHT, _MARGIN = 520, 240, 46


_UNKNOWN = ("未知", "unknown")


def measures(metrics: Metrics) -> Markup:
    """The section of metrics. What is not known is said to be 未知."""
    notes = tag("ul", *(tag("li", both(*NOTES[note])) for note in metrics.notes))
    rows = [[both(*words), *_rate(rate)] for words, rate in _rates(metrics)]
    intervals = both(
        "区间为 95%：错误通过用 Clopper-Pearson，其余用 Wilson。",
        "Intervals are of 95 %: Clopper-Pearson for wrong passes, Wilson for all others.",
    )
    head = [("指标", "measure"), ("值", "value"), ("计数", "counts"), ("95% 区间", "95 % interval"), ("", "")]
    parts = [
        tag("h2", both("指标", "Metrics")),
        notes,
        tag("p", intervals, class_="soft"),
        table(head, rows),
        _sureness(metrics.truth.score, metrics.truth.confidence),
    ]
    if metrics.truth.coverage:
        parts += [tag("h2", both("自动率与出错率", "Errors against share automatic")), _curve(metrics.truth.coverage)]
    return join([*parts, _more(metrics)])


def _rates(metrics: Metrics) -> Iterator[tuple[Words, Rate]]:
    tickets, judge, truth = metrics.tickets, metrics.judge, metrics.truth
    yield ("人工复核率", "sent to a person"), tickets.review
    yield (
        ("人工复核率（含被隔离的工单）", "sent to a person, quarantined groups among them"),
        tickets.review_with_unjudged,
    )
    yield ("自动通过", "automatic pass"), tickets.auto_pass
    yield ("自动不通过", "automatic fail"), tickets.auto_fail
    yield ("自动判定的正确率", "automatic verdicts that are right"), truth.accuracy_decided
    yield ("倾向的正确率（无倾向算错）", "leanings that are right (none counts as wrong)"), truth.accuracy_proposed
    yield ("错误通过：自动通过中实为不通过", "wrong pass: automatic passes that should fail"), truth.false_pass
    yield ("错误通过：实为不通过中自动通过", "wrong pass: of those that should fail, passed"), truth.false_pass_of_bad
    yield ("错误不通过：自动不通过中实为通过", "wrong fail: automatic fails that should pass"), truth.false_fail
    yield (
        ("错误不通过：实为通过中自动不通过", "wrong fail: of those that should pass, failed"),
        truth.false_fail_of_good,
    )
    yield ("倾向通过中实为不通过", "leans to pass and should fail"), truth.proposed_false_pass
    yield ("倾向不通过中实为通过", "leans to fail and should pass"), truth.proposed_false_fail
    yield ("候选回答合格式", "candidates that obey the form"), judge.format
    yield ("理由分句引用正确", "clauses whose citations are right"), judge.citations.right
    yield ("照片顺序改变判定", "another order changes the verdict"), judge.order_flips
    yield ("判定不取决于所引照片", "the verdict does not rest on the cited photos"), judge.removal_failures
    yield from _doubts(("复评", "critic"), judge.critic)
    yield from _doubts(("事实核对", "facts"), judge.facts)


def _doubts(who: Words, doubt: Doubt) -> Iterator[tuple[Words, Rate]]:
    zh, en = who
    yield (f"{zh}：给得出意见", f"{en}: has an opinion"), doubt.readable
    yield (f"{zh}：提出异议", f"{en}: objects"), doubt.flagged
    yield (f"{zh}有异议时判定错误", f"{en} objects, and the verdict is wrong"), doubt.wrong_if_flagged
    yield (f"{zh}无异议时判定错误", f"{en} does not, and the verdict is wrong"), doubt.wrong_if_not


def _rate(rate: Rate) -> list[Markup]:
    if rate.value is None or rate.low is None or rate.high is None:
        return [both(*_UNKNOWN), text("–"), text("–"), Markup("")]
    return [
        text(f"{rate.value:.1%}"),
        text(f"{rate.count} / {rate.of}"),
        text(f"{rate.low:.1%} – {rate.high:.1%}"),
        _interval(rate.low, rate.value, rate.high),
    ]


def _interval(low: float, value: float, high: float) -> Markup:
    width, at = max(100 * (high - low), 0.5), min(100 * value, 99.0)
    reach = tag("rect", x=f"{100 * low:.2f}", y="25", width=f"{width:.2f}", height="50", class_="reach")
    mark = tag("rect", x=f"{at:.2f}", y="0", width="1.4", height="100", class_="value")
    return tag("svg", reach, mark, class_="interval", viewBox="0 0 100 100", preserveAspectRatio="none", role="img")


def _sureness(score: Sureness, confidence: Sureness) -> Markup:
    names = (
        ("计入的证据", "evidence that counts"),
        ("Brier（越小越好）", "Brier (less is better)"),
        ("ECE，10 个等量箱（越小越好）", "ECE, 10 bins of equal size (less is better)"),
        ("AUROC：分辨判定对错", "AUROC: right from wrong"),
        ("AUROC：分辨通过与不通过", "AUROC: pass from fail"),
    )
    columns = [
        [text(one.of), _plain(one.brier), _plain(one.ece), _area(one.right), _area(one.passing)]
        for one in (score, confidence)
    ]
    rows = [[both(*words), *cells] for words, *cells in zip(names, *columns, strict=True)]
    title = tag("h2", both("分数与自报置信度", "The score, and the judge's own confidence"))
    return join([title, table([("", ""), ("分数", "score"), ("自报置信度", "own confidence")], rows)])


def _area(area: Area) -> Markup:
    if area.value is None:
        return both(f"未知（{area.true} 对 {area.false}）", f"unknown ({area.true} against {area.false})")
    told = f"{area.value:.3f}", f"{area.low:.3f} – {area.high:.3f}"
    return both(
        f"{told[0]}（{told[1]}；{area.true} 对 {area.false}）",
        f"{told[0]} ({told[1]}; {area.true} against {area.false})",
    )


def _plain(value: float | None) -> Markup:
    return both(*_UNKNOWN) if value is None else text(f"{value:.4f}")


def _curve(points: Sequence[CoveragePoint]) -> Markup:
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
        *_words(
            _WIDTH / 2,
            _HEIGHT - 10,
            ("自动判定占有标签证据的比例", "share of labelled evidence that is automatic"),
            "middle",
        ),
        *_words(left, _MARGIN - 14, ("出错率与 95% 区间", "errors, with 95 % interval"), "start"),
    ]
    return tag("svg", *shapes, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", width=str(_WIDTH), role="img", class_="chart")


def _words(x: float, y: float, words: Words, anchor: str) -> tuple[Markup, ...]:
    return tuple(_label(x, y, told, anchor, language) for language, told in zip(("zh", "en"), words, strict=True))


def _label(x: float, y: float, words: str, anchor: str, language: str = "") -> Markup:
    told = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "font-size": "12", "class": language}
    return tag("text", text(words), **told)


def _more(metrics: Metrics) -> Markup:
    """Counts that are no rates."""
    judge, spent, labels = metrics.judge, metrics.spent, metrics.truth.labels
    mean = text("–") if judge.agreement.mean is None else text(f"{judge.agreement.mean:.3f}")
    levels = ", ".join(f"{level}: {count}" for level, count in judge.agreement.distribution.items()) or "–"
    told: list[tuple[Words, Markup]] = [
        (("标签", "labels"), text(", ".join(f"{verdict.value} {count}" for verdict, count in labels.items()))),
        (("标签相互矛盾的证据", "evidence whose labels differ"), text(metrics.truth.label_conflicts)),
        (("候选一致程度，平均", "agreement of candidates, mean"), mean),
        (("候选一致程度，分布", "agreement of candidates, levels"), text(levels)),
        (("格式错误", "rules broken"), text(", ".join(f"{name} {n}" for name, n in judge.violations.items()) or "–")),
        (("沿用人工答复", "answers of people taken over"), text(metrics.tickets.reused)),
        (("抽中盲审", "drawn for a blind audit"), text(metrics.tickets.audited)),
    ]
    if spent is not None:
        names = (
            ("本次提问", "asked in this run"),
            ("沿用以前的回答", "answered before"),
            ("读入词元", "tokens read"),
            ("写出词元", "tokens written"),
            ("秒", "seconds"),
        )
        values = (spent.asked, spent.reused, spent.prompt_tokens, spent.completion_tokens, spent.seconds)
        told += [(words, text(value)) for words, value in zip(names, values, strict=True) if value is not None]
    title = tag("h2", both("其他计数", "Other counts"))
    return join([title, table([("项目", "item"), ("值", "value")], [[both(*words), value] for words, value in told])])
