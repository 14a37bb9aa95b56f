"""The report as a picture: photos a second of each way, and where the seconds of a photo go. Knows no way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt

from tests.benchmarks.throughput.phases import PREPARING

_WIDTH = 9.0


def draw(report: dict[str, Any], path: Path) -> None:
    """Write a PNG: bars of photos a second with their spread; below, if phases were timed, milliseconds a photo."""
    rows = [row for row in report["ways"] if "trouble" not in row]
    timed = [row for row in rows if row["phases"]]
    figure, axes = plt.subplots(
        1 + bool(timed),
        1,
        figsize=(_WIDTH, 1 + 0.45 * (len(rows) + len(timed)) + 1.7 * bool(timed)),
        squeeze=False,
        layout="constrained",
    )
    _rates(axes[0][0], rows, report)
    if timed:
        _phases(axes[1][0], timed)
        figure.legend(*axes[1][0].get_legend_handles_labels(), fontsize=8, ncols=6, loc="outside lower center")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _rates(axes: Any, rows: list[dict[str, Any]], report: dict[str, Any]) -> None:
    names = [row["way"] for row in rows]
    rates = [row["photos_per_second"] for row in rows]
    errors = [
        [rate - row["spread"][0] for rate, row in zip(rates, rows, strict=True)],
        [row["spread"][1] - rate for rate, row in zip(rates, rows, strict=True)],
    ]
    bars = axes.barh(names, rates, xerr=errors, color=["#2b7a78" if "our" in name else "#9aa5b1" for name in names])
    labels = [f"{row['photos_per_second']:.3g}" + (f"  ({row['ratio']:.2f}x)" if row["ratio"] else "") for row in rows]
    axes.bar_label(bars, labels, padding=6, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.3 * max((row["spread"][1] for row in rows), default=1.0))
    axes.set_xlabel("photos a second")
    machine = report["machine"]
    where = machine["gpu"] or f"{machine['cores']} cores, {machine['cpu']}"
    axes.set_title(f"{report['setting']}: same photos, same texts; {where}; {report['commit']}", fontsize=10)


def _phases(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Phases of preparing are hatched: in our engine they run beside the device."""
    phases = list(dict.fromkeys(name for row in rows for name in row["phases"]))
    names = [row["way"] for row in rows]
    left = [0.0] * len(rows)
    for number, phase in enumerate(phases):
        each = [1000 * row["phases"].get(phase, 0.0) / row["photos"] for row in rows]
        hatch = "//" if phase in PREPARING else None
        axes.barh(names, each, left=left, label=phase, color=f"C{number % 10}", hatch=hatch, edgecolor="white")
        left = [done + more for done, more in zip(left, each, strict=True)]
    for place, row in enumerate(rows):
        whole = 1000 * row["seconds"] / row["photos"]
        axes.plot([whole, whole], [place - 0.4, place + 0.4], color="black", linewidth=2)
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds a photo (black mark: the whole; hatched: in threads in our engine)")
