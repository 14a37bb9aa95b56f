"""A run on very many photos: seconds a step, memory, Prefect objects and store calls. Knows every step, no model.

`python -m tests.benchmarks.scale --photos 20000 200000` runs the real flow on tiny photos with an engine that answers
at once, three times a size: new, with nothing new, and with one new group; with `--kind captions` that of dense
captions. Each run is a process of its own beside one Prefect server. Prints tables and writes `.bench/scale.json`;
absolute seconds depend on the machine, so quote the ratios. Fails when a run lists more than the index and its photos,
infers what is known, or has a task run a photo.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from tests.benchmarks.tiny_photos import PER_GROUP, SHARD_PHOTOS, add_new_group, different, make_photos
from tests.builders import MISSION, make_checkpoint
from tests.servers import HOST, free_port

ROOT = Path(".bench/scale")
RUNS = ("new", "nothing new", "one new group")
RATIO, GROWTH = 12.0, 0.15
"""Targets: the most that seconds may grow when photos grow tenfold, and the share that peak memory may grow."""

_OTHER_TASKS = 20
"""More task runs than a run has beside its shards."""

_PAGE = 200
_NONE = {"seconds": 0.0, "cpu": 0.0, "peak_mib": 0.0}
_UNENDED = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, nargs="+", default=[20_000, 200_000], help="sizes, smallest first")
    parser.add_argument("--kind", choices=("summaries", "captions"), default="summaries")
    parser.add_argument("--out", type=Path, default=Path(".bench/scale.json"))
    parser.add_argument("--clean", action="store_true", help="delete the photos and stores, and do nothing else")
    options = parser.parse_args()
    if options.clean:
        shutil.rmtree(ROOT, ignore_errors=True)
        return 0
    say = Console(width=120)
    found: dict[int, dict[str, Any]] = {}
    with prefect_server(ROOT / "prefect") as api:
        for photos in options.photos:
            found[photos] = measure(options.kind, photos, api, say)
    faults = [
        f"{photos}, {run}: {fault}" for photos in found for run, fault in _faults(options.kind, photos, found[photos])
    ]
    for run in RUNS:
        say.print(_table(run, {photos: by_run[run] for photos, by_run in found.items()}))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    result = {"cores": os.cpu_count(), "targets": {"ratio": RATIO, "growth": GROWTH}, "faults": faults, "sizes": found}
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


def measure(kind: str, photos: int, api: str, say: Console) -> dict[str, Any]:
    """All runs of one size, by name."""
    folder = ROOT / str(photos)
    began = time.monotonic()
    if make_photos(folder / "photos", MISSION, photos):
        say.print(f"{photos} photos made in {time.monotonic() - began:.0f} s")
    shutil.rmtree(folder / "store", ignore_errors=True)
    if not (folder / "checkpoint").is_dir():
        make_checkpoint(folder / "checkpoint")
    measured: dict[str, Any] = {}
    for run in RUNS:
        if run == "one new group":
            add_new_group(folder / "photos", MISSION)
        measured[run] = _run(kind, folder, api)
        say.print(f"{photos} photos, {run}: {measured[run]['summary']['seconds']:.0f} s")
    return measured


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """A Prefect server in a process and a database of its own; gives its API URL."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    port = free_port()
    api = f"http://{HOST}:{port}/api"
    env = os.environ | {
        "PREFECT_HOME": str(home.resolve()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait(f"{api}/health", process)
        yield api
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            if httpx.get(url, timeout=5, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"no Prefect server at {url}; see its server.log under {ROOT}")


def _run(kind: str, folder: Path, api: str) -> dict[str, Any]:
    """One run in a process of its own, with what Prefect's API says of it."""
    out = folder / "run.json"
    out.unlink(missing_ok=True)
    env = os.environ | {
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str((folder / "home").resolve()),
        "PREFECT_LOGGING_LEVEL": "INFO",
        "DO_NOT_TRACK": "1",
        "NO_PROXY": HOST,
    }
    before = datetime.now(UTC)
    artifacts = _artifacts(api)
    with (folder / "run.log").open("wb") as log:
        command = [sys.executable, "-m", "tests.benchmarks.scale_run", kind, str(folder), str(out)]
        code = subprocess.run(command, env=env, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        raise SystemExit(f"the run ended with {code}; see {folder / 'run.log'}")
    run: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    with httpx.Client(base_url=api, timeout=60, trust_env=False) as client:
        tasks = _tasks(client, before)
        run["objects"] = {
            "task runs": len(tasks),
            "flow runs": _count(client, "flow_runs", {"start_time": {"after_": before.isoformat()}}),
            "artifacts": _artifacts(api) - artifacts,
            "logs": len(_all(client, "logs", {"timestamp": {"after_": before.isoformat()}})),
        }
    run["steps"] = _steps(tasks, run["marks"], run.pop("samples"))
    return run


def _tasks(client: httpx.Client, since: datetime) -> list[dict[str, Any]]:
    """Task runs since a moment. The server learns of their ends from events, a little later."""
    started = {"start_time": {"after_": since.isoformat()}}
    before = -1
    for _ in range(120):
        count = _count(client, "task_runs", started)
        open_ = _count(client, "task_runs", {**started, "state": {"type": {"any_": _UNENDED}}})
        if count == before and not open_:
            break
        before = count
        time.sleep(1)
    return _all(client, "task_runs", started)


def _artifacts(api: str) -> int:
    return int(httpx.post(f"{api}/artifacts/count", json={}, timeout=60, trust_env=False).raise_for_status().json())


def _count(client: httpx.Client, kind: str, condition: dict[str, Any]) -> int:
    return int(client.post(f"/{kind}/count", json={kind: condition}).raise_for_status().json())


def _all(client: httpx.Client, kind: str, condition: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        ask = {kind: condition, "limit": _PAGE, "offset": len(found)}
        page = client.post(f"/{kind}/filter", json=ask).raise_for_status().json()
        found += page
        if len(page) < _PAGE:
            return found


def _steps(
    tasks: list[dict[str, Any]], marks: list[tuple[str, float, float]], samples: list[tuple[float, float, float]]
) -> dict[str, dict[str, float]]:
    """Seconds from first start to last end, CPU seconds and peak MiB of each step. `marks` are parts of a step."""
    spans: list[tuple[str, float, float]] = [
        (
            task["name"].rpartition("-")[0],
            datetime.fromisoformat(task["start_time"]).timestamp(),
            datetime.fromisoformat(task["end_time"]).timestamp(),
        )
        for task in tasks
    ]
    steps: dict[str, tuple[float, float]] = {}
    for name, began, ended in sorted([*spans, *marks], key=lambda span: span[1]):
        first, last = steps.get(name, (began, ended))
        steps[name] = (min(first, began), max(last, ended))
    return {
        name: {
            "seconds": round(ended - began, 3),
            "cpu": round(_cpu(samples, ended) - _cpu(samples, began), 3),
            "peak_mib": max((rss for at, rss, _ in samples if began - 0.2 <= at <= ended + 0.2), default=0.0),
        }
        for name, (began, ended) in steps.items()
    }


def _cpu(samples: list[tuple[float, float, float]], moment: float) -> float:
    """CPU seconds used up to a moment, from the samples around it."""
    for (at, _, used), (then, _, more) in itertools.pairwise(samples):
        if at <= moment < then:
            return used + (more - used) * (moment - at) / (then - at)
    return samples[0 if moment < samples[0][0] else -1][2]


def _faults(kind: str, photos: int, runs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    expected = {"new": different(photos), "nothing new": 0, "one new group": PER_GROUP}
    index = {"summaries": f"stage_a/{MISSION}/index/", "captions": "dense/photos/index/"}[kind]
    roots = {"summaries": f"{MISSION}/", "captions": ""}[kind]
    for run in RUNS:
        summary, listed = runs[run]["summary"], runs[run]["listed"]
        if summary["inferred"] != expected[run]:
            yield run, f"{summary['inferred']} photos inferred, not {expected[run]}"
        bad = summary["rejected" if kind == "captions" else "quarantined"]
        if bad or summary["photos"] != photos + PER_GROUP * (run == "one new group"):
            yield run, f"{summary['photos']} photos, {bad} not published"
        odd = [prefix for prefix in listed["store"] if not prefix.startswith(index)]
        odd += [prefix for prefix in listed["photos"] if prefix != roots]
        for prefix in odd:
            yield run, f"everything under {prefix!r} was listed"
        shards = -(-expected[run] // SHARD_PHOTOS)
        if runs[run]["objects"]["task runs"] > shards + _OTHER_TASKS:
            yield run, f"{runs[run]['objects']['task runs']} task runs for {shards} shards"


def _table(run: str, by_size: dict[int, dict[str, Any]]) -> Table:
    """Sizes side by side; the last column is the last size over the first, and of memory the difference."""
    runs = [by_size[size] for size in sorted(by_size)]
    table = Table("", *(f"{size:,}" for size in sorted(by_size)), "x", title=f"run: {run}")

    def row(name: str, values: list[float], digits: int = 0, end: str | None = None) -> None:
        ratio = f"{values[-1] / values[0]:.1f}" if values[0] else "-"
        table.add_row(name, *(f"{value:,.{digits}f}" for value in values), ratio if end is None else end)

    def mib(name: str, values: list[float]) -> None:
        row(f"{name}, MiB", values, 0, f"{values[-1] - values[0]:+.0f} ({values[-1] / max(values[0], 1) - 1:+.0%})")

    names = list(runs[0]["steps"])
    steps = [{name: measured["steps"].get(name, _NONE) for name in names} for measured in runs]
    for name in names:
        row(f"{name}, s", [step[name]["seconds"] for step in steps], 2)
    row("whole flow, s", [measured["summary"]["seconds"] for measured in runs], 2)
    table.add_section()
    for name in names:
        row(f"{name}, CPU s", [step[name]["cpu"] for step in steps], 2)
    row("whole flow, CPU s", [measured["cpu_seconds"] for measured in runs], 2)
    table.add_section()
    for name in names:
        mib(f"{name}, peak", [step[name]["peak_mib"] for step in steps])
    mib("before the flow", [measured["start_mib"] for measured in runs])
    mib("peak RSS", [measured["peak_mib"] for measured in runs])
    table.add_section()
    for kind in runs[0]["objects"]:
        row(f"Prefect {kind}", [measured["objects"][kind] for measured in runs])
    for side in ("photos", "store"):
        table.add_section()
        for what, prefix in (("listed", "listed "), ("calls", "")):
            for place in sorted({place for measured in runs for place in measured[what][side]}):
                row(f"{side}: {prefix}{place}", [measured[what][side].get(place, 0) for measured in runs])
    return table


if __name__ == "__main__":
    sys.exit(main())
