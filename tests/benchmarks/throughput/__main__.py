"""`python -m tests.benchmarks.throughput`: photos a second of every way, as ratios in one run.

Same photos, same greedy text (checked), one process after another, every way once a round. Prints a table and writes
`.bench/throughput-SETTING.json` and `.png`. Absolute figures depend on the machine; quote the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.throughput.checkpoints import SETTINGS, checkpoint_of
from tests.benchmarks.throughput.plot import draw
from tests.benchmarks.throughput.workload import make_input

REFERENCE = "one at a time"


@dataclass
class Contender:
    """A way with its settings, and what was measured of it."""

    title: str
    way: str
    batch: int
    large: bool = False  # reads the larger set of photos
    rounds: list[dict[str, Any]] = field(default_factory=list)
    trouble: str = ""

    def rates(self, photos: int) -> list[float]:
        """Photos a second of each round."""
        return [photos / one["seconds"] for one in self.rounds]


def contenders(batches: list[int], flow: bool, long_prompt: bool) -> list[Contender]:
    """All ways, the reference first."""
    found = [Contender(REFERENCE, "one", 1), Contender("batches within a group", "groups", max(batches))]
    for way, title in (("swift", "ms-swift"), ("engine", "our engine")):
        found += [Contender(f"{title}, batch {batch}", way, batch) for batch in batches]
    if long_prompt:
        found.append(Contender("our engine, prompt read for every photo", "unshared", max(batches)))
    if flow:
        found += [
            Contender(f"{title}, {{}} photos", way, max(batches), large=True)
            for way, title in (("engine", "our engine"), ("flow", "our whole flow"))
        ]
    return found


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", choices=SETTINGS, default="tiny")
    parser.add_argument("--photos", type=int, default=240)
    parser.add_argument("--large", type=int, default=1000, help="photos for engine against flow; 0 leaves them out")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--phases", action="store_true", help="time phases instead of ways: slower, one round")
    parser.add_argument("--only", nargs="+", help="ways to run, of: one groups swift engine unshared flow")
    parser.add_argument("--root", type=Path, default=Path(".cache/throughput"))
    parser.add_argument("--out", type=Path, default=Path(".bench"))
    options = parser.parse_args()
    setting = SETTINGS[options.config]
    checkpoint = checkpoint_of(setting, options.root)
    folders = {count: options.root / f"photos-{options.config}-{count}" for count in (options.photos, options.large)}
    ways = contenders(sorted(options.batches), bool(options.large), bool(setting.prompt_tokens))
    if options.only:
        ways = [way for way in ways if way.way in options.only]
    for way in ways:
        way.title = way.title.format(options.large)
    for count in {options.large if way.large else options.photos for way in ways}:
        make_input(folders[count], count, setting.sides)
    say = Console(stderr=True)
    for number in range(1 if options.phases else options.rounds):
        for way in ways:
            if way.trouble:
                continue
            count = options.large if way.large else options.photos
            run = _measure(way, options, checkpoint, folders[count], count)
            say.print(f"round {number + 1}, {way.title}: {_said(run, count)}", highlight=False)
            if "trouble" in run:
                way.trouble = run["trouble"]
            else:
                way.rounds.append(run)
    report = _report(ways, options)
    _show(report)
    options.out.mkdir(parents=True, exist_ok=True)
    name = f"throughput-{options.config}{'-phases' if options.phases else ''}"
    (options.out / f"{name}.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draw(report, options.out / f"{name}.png")
    return 0 if all(row.get("same_text", 1.0) == 1.0 for row in report["ways"]) else 1


def _measure(way: Contender, options: argparse.Namespace, checkpoint: Path, photos: Path, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.throughput.measure", way.way, "--setting", options.config]
    command += ["--checkpoint", str(checkpoint), "--photos", str(photos), "--count", str(count)]
    command += ["--batch", str(way.batch), "--device", options.device, *(["--phases"] if options.phases else [])]
    prefect = {"PREFECT_HOME": str((options.root / "prefect").resolve()), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **prefect})
    if done.returncode:
        return {"trouble": (done.stderr.strip().splitlines() or ["no message"])[-1][:300]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _said(run: dict[str, Any], count: int) -> str:
    if "trouble" in run:
        return str(run["trouble"])
    return f"{count / run['seconds']:.3g} photos a second ({run['seconds']:.1f} s, start {run['start_seconds']:.1f} s)"


def _report(ways: list[Contender], options: argparse.Namespace) -> dict[str, Any]:
    base = next((way for way in ways if way.title == REFERENCE and way.rounds), None)
    rows: list[dict[str, Any]] = []
    references: dict[bool, dict[str, str]] = {}
    for way in ways:
        if way.trouble:
            rows.append({"way": way.title, "trouble": way.trouble})
            continue
        count = options.large if way.large else options.photos
        rates = way.rates(count)
        texts = [one["texts"] for one in way.rounds]
        reference = references.setdefault(way.large, texts[0])
        same = [sum(some.get(key) == text for key, text in reference.items()) / len(reference) for some in texts]
        against = base if not way.large else next(other for other in ways if other.large and other.rounds)
        rows.append(
            {
                "way": way.title,
                "photos": count,
                "photos_per_second": round(statistics.median(rates), 2),
                "spread": [round(min(rates), 2), round(max(rates), 2)],
                "ratio": round(statistics.median(rates) / statistics.median(against.rates(count)), 3)
                if against
                else None,
                "of": against.title if against else None,
                "same_text": round(min(same), 4),
                "start_seconds": round(statistics.median(one["start_seconds"] for one in way.rounds), 2),
                "peak_rss_mib": max(one["peak_rss_mib"] for one in way.rounds),
                "peak_cuda_mib": way.rounds[-1]["peak_cuda_mib"],
                "phases": way.rounds[-1]["phases"],
                "seconds": round(statistics.median(one["seconds"] for one in way.rounds), 3),
            }
        )
    return {
        "setting": options.config,
        "machine": _machine(),
        "commit": _commit(),
        "rounds": 1 if options.phases else options.rounds,
        "ways": rows,
    }


def _machine() -> dict[str, Any]:
    import torch

    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": cpu, "cores": os.cpu_count(), "gpu": gpu, "torch": torch.__version__}


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip()


def _show(report: dict[str, Any]) -> None:
    table = Table(
        "way", "photos/s", "spread", "ratio", "same text", "start s", "RSS MiB", title=f"setting {report['setting']}"
    )
    for row in report["ways"]:
        if "trouble" in row:
            table.add_row(row["way"], row["trouble"])
            continue
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}x"
        low, high = row["spread"]
        table.add_row(
            row["way"],
            f"{row['photos_per_second']:.3g}",
            f"{low:.3g}-{high:.3g}",
            ratio,
            f"{row['same_text']:.1%}",
            f"{row['start_seconds']:.1f}",
            str(row["peak_rss_mib"]),
        )
    Console().print(table)
    for row in report["ways"]:
        if row.get("phases"):
            parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in row["phases"].items())
            Console().print(f"{row['way']}: {row['seconds']:.2f} s, of which {parts}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
