"""`report.html`: a judgement on one page, without its photos, for whoever has to act on it. Knows no store.

It is the page that `tasks.reports.evidence` makes with photos: the same templates, in one file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

from markupsafe import Markup

from tasks.assurance.records import Metrics
from tasks.records.stage_b import Ticket, Unjudged
from tasks.records.verdicts import Decision, JudgementManifest, Selection, Trajectory
from tasks.reports.groups import judged, quarantined
from tasks.reports.markup import both, join, tag
from tasks.reports.overview import Totals, above_judgement, below_judgement, filters
from tasks.reports.pages import render

SHOWN = 1000
"""Groups on the page: a browser shows no more with ease. All of them are in `selections.jsonl`."""

TITLE = ("判定报告", "judgement")
ORDER = {Decision.REVIEW: 0, Decision.FAIL: 1, Decision.PASS: 2}
"""What a person must look at comes first."""


def judgement_page(
    manifest: JudgementManifest,
    tickets: Iterable[Ticket],
    selections: Iterable[Selection],
    unjudged: Iterable[Unjudged] = (),
    metrics: Metrics | None = None,
    trajectories: Iterable[Trajectory] = (),
) -> str:
    """The page of a judgement: what was decided, why people must look, every group, and how far it can be trusted."""
    told, left_out = sorted(selections, key=lambda one: ORDER[one.decision]), list(unjudged)
    by_id = {ticket.ticket_id: ticket for ticket in tickets}
    candidates = defaultdict(list)
    for one in trajectories:
        candidates[one.evidence_digest].append(one)
    groups = [judged(one, by_id.get(one.ticket_id), (), candidates[one.evidence_digest]) for one in told[:SHOWN]]
    groups += [quarantined(one) for one in islice(left_out, SHOWN)]
    totals = Totals.of(told, len(left_out))
    return "".join(
        render(
            language="zh",
            mission=manifest.mission,
            title=TITLE,
            facts=facts(manifest),
            top=join([above_judgement(manifest, totals), *_left(len(told) + len(left_out) - len(groups))]),
            filters=filters(totals, {code: words for group in groups for code, words in group.reasons}),
            rows=None,
            groups=groups,
            first=0,
            around=None,
            bottom=below_judgement(manifest, metrics),
        )
    )


def facts(manifest: JudgementManifest) -> Markup:
    """What stands below the title."""
    counts = manifest.run_id, manifest.tickets, manifest.evidences
    return both(
        "运行 {} · 工单 {} · 不同证据 {}".format(*counts), "run {} · {} groups · {} different evidence".format(*counts)
    )


def _left(count: int) -> list[Markup]:
    if not count:
        return []
    words = both(
        f"另有 {count} 单未列出，见 selections.jsonl，或用 fieldcheck report 生成完整的页面。",
        f"{count} more groups are not listed: see selections.jsonl, or have fieldcheck report make a page of all.",
    )
    return [tag("p", words, class_="warn")]
