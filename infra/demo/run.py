"""`make demo`: prepares checkpoints and photos, reads and judges every demo mission, and shows what came out.

Knows the demo's folders; all the rest is the ordinary flow with the profile `demo`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from blocks.program import GO_ON, run_program
from configs.commands import COMMANDS
from configs.errors import FieldcheckError
from configs.report import ReportConfig
from flows.commands.report import make_page
from flows.commands.runs import describe, describe_judgement, run_flow
from infra.demo.prepare import prepare
from tasks.assurance.rates import wilson
from tasks.runs.keys import QUARANTINE, SELECTIONS, records_name

MISSIONS = ("挡风板安装检查", "BBU接地线检查")
"""Both demo missions; the first holds the truncated photo and the empty group."""

_SAMPLES = 4


def main() -> int:
    """Command line. The last line on stdout is one JSON object over both missions."""
    parser = argparse.ArgumentParser(description="Run the demo missions with the demo checkpoint.")
    parser.add_argument("--root", type=Path, default=Path(".demo"), help="folder for everything that the demo makes")
    parser.add_argument("--adapter", action="store_true", help="run base + adapter, scored by the adapter's answers")
    options = parser.parse_args()
    root: Path = options.root
    os.environ.setdefault("PREFECT_HOME", str((root / "prefect").resolve()))
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    say = Console(stderr=True)
    began = time.monotonic()
    prepare(root, lambda line: say.print(line, highlight=False))
    given: dict[str, Any] = {
        "input_root": str(root / "photos"),
        "store": str(root / "store"),
        "model": {"base": str(root / "checkpoint")},
        "answer_key": str(root / "photos" / "answer_key.json"),
        "hand_off": {"mode": "inline", "judge": True, "model": {"base": str(root / "judge")}},
    }
    if options.adapter:
        given["model"]["adapters"] = [str(root / "adapter")]
        given["answer_key"] = str(root / "photos" / "answer_key_adapter.json")
        given["hand_off"] = {"mode": "inline", "judge": False}  # the demo's judge has not learnt the adapter's words
    summaries = []
    for mission in MISSIONS:
        say.rule(mission)
        try:
            summary = run_flow(COMMANDS["stage-a"], {**given, "mission": mission}, "demo")
        except FieldcheckError as error:
            say.print(f"{type(error).__name__}: {error}", style="red", markup=False)
            return 1
        summaries.append(summary)
        _show(say, Path(summary["manifest"]).parent, mission)
        say.print(describe(summary), highlight=False, markup=False, soft_wrap=True)
        if "judgement" in summary["stage_b"]:
            _show_verdicts(say, Path(summary["stage_b"]["judgement"]).parent, mission)
        say.print(describe_judgement(summary["stage_b"]), highlight=False, markup=False, soft_wrap=True)
        of = summary["stage_b"].get("judgement", summary["manifest"])
        page = ReportConfig(manifest=of, photos=str(root / "photos"), out=str(root / mission))
        summary["page"] = make_page(page)["report"]
    for summary in summaries:
        say.print(f"look at the photos, and at what was said of them: {summary['page']}", soft_wrap=True, markup=False)
    say.print("look at the runs in Prefect's UI: make ui")
    print(json.dumps(combine(summaries, time.monotonic() - began), ensure_ascii=False))
    return 0


def combine(summaries: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """One summary over several runs: counts added, rates weighted by answers, every run's own summary kept.

    `manifest` is that of the first run.
    """
    answered = sum(summary["answered"] for summary in summaries)
    return {
        "manifest": summaries[0]["manifest"],
        "groups": sum(summary["groups"] for summary in summaries),
        "photos": sum(summary["photos"] for summary in summaries),
        "quarantined": sum(summary["quarantined"] for summary in summaries),
        "inferred": sum(summary["inferred"] for summary in summaries),
        "seconds": round(seconds, 2),
        "exact_match": round(sum(s["exact_match"] * s["answered"] for s in summaries) / answered, 4),
        **_verdicts([told for summary in summaries if "judgement" in (told := summary.get("stage_b", {}))]),
        "runs": summaries,
    }


def _verdicts(judged: list[dict[str, Any]]) -> dict[str, Any]:
    """Decisions and rates over several judgements, the rates with their 95 % intervals."""
    if not judged:
        return {}
    decisions: Counter[str] = Counter()
    for one in judged:
        decisions.update(one["decisions"])
    rates = {}
    for name in ("review", "accuracy"):
        told = [one[name] for one in judged if name in one]
        rates[name] = wilson(sum(rate["count"] for rate in told), sum(rate["of"] for rate in told))
    return {"decisions": dict(decisions), **{name: rate.model_dump(mode="json") for name, rate in rates.items()}}


def _show(say: Console, folder: Path, mission: str) -> None:
    table = Table("group", "label", "photo", Column("summary", overflow="fold"), title=f"the first groups of {mission}")
    for line in (folder / records_name(mission)).read_text(encoding="utf-8").splitlines()[:_SAMPLES]:
        record = json.loads(line)
        for name, text in list(zip(record["images"], record["per_image"].values(), strict=True))[:3]:
            table.add_row(record["group_id"], record["label"] or "-", name, text)
    say.print(table)
    bad = Table("kind", Column("group", overflow="fold"), "photo", "reason", "detail", title="quarantine")
    for line in (folder / QUARANTINE).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        bad.add_row(entry["kind"], entry["group_id"], entry["image"] or "-", entry["reason"], entry["detail"])
    if bad.row_count:
        say.print(bad)


def _show_verdicts(say: Console, folder: Path, mission: str) -> None:
    table = Table(
        "ticket", "decision", "proposed", "score", Column("why", overflow="fold"), title=f"verdicts of {mission}"
    )
    for line in (folder / SELECTIONS).read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        score = "-" if one["score"] is None else f"{one['score']:.2f}"
        told = one["reason"] or ""
        if one["review_reasons"]:
            told = f"{told} [{', '.join(one['review_reasons'])}]".strip()
        table.add_row(one["ticket_id"], one["decision"], one["proposed"] or "-", score, escape(told))
    say.print(table)


if __name__ == "__main__":
    run_program(main, "demo", GO_ON)
