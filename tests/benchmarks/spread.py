"""`python -m tests.benchmarks.spread`: one run by one process, by Prefect workers, and by Ray.

Checks that all publish the same bytes. Prints a table and writes `.bench/spread.json`. `photos/s` is what the processes
read together once their engines are loaded; `whole` is the flow from start to end, with the loading, which each piece
does for itself. On a machine whose cores one process keeps busy, more processes share them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from configs.parts import GenerationConfig, HandOffConfig, ModelConfig, SpreadConfig
from tests.benchmarks.throughput.checkpoints import SETTINGS, checkpoint_of
from tests.benchmarks.throughput.workload import MISSION, make_input
from tests.workers import REPOSITORY, make_pool, worker

POOL = "spread"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=240)
    parser.add_argument("--only", nargs="+", help="of: devices workers ray")
    parser.add_argument("--root", type=Path, default=Path(".cache/throughput"))
    parser.add_argument("--out", type=Path, default=Path(".bench"))
    options = parser.parse_args()
    setting = SETTINGS["tiny"]
    checkpoint = checkpoint_of(setting, options.root).resolve()
    photos = (options.root / f"photos-tiny-{options.photos}").resolve()
    make_input(photos, options.photos)
    given = {
        "mission": MISSION,
        "input_root": str(photos),
        "device": "cpu",
        "model": ModelConfig(base=str(checkpoint), max_pixels=setting.max_pixels),
        "generation": GenerationConfig(max_new_tokens=setting.answer_tokens),
        "hand_off": HandOffConfig(mode="none"),
    }
    ways = [("devices", 1), ("workers", 1), ("workers", 2), ("ray", 1), ("ray", 2)]
    rows = []
    with server() as environment:
        for over, pieces in ways:
            if not options.only or over in options.only:
                rows.append(measure(given, over, pieces, environment))
                Console(stderr=True).print(rows[-1], highlight=False)
    same = len({row["sha256"] for row in rows}) == 1
    table = Table("over", "processes", "photos/s", "whole s", "manifest")
    for row in rows:
        told = (row["over"], row["pieces"], f"{row['photos_per_second']:.1f}", f"{row['seconds']:.1f}", row["sha256"])
        table.add_row(*map(str, told[:4]), row["sha256"][:12])
    Console().print(table)
    options.out.mkdir(parents=True, exist_ok=True)
    report = {"photos": options.photos, "cores": os.cpu_count(), "same_bytes": same, "ways": rows}
    (options.out / "spread.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if same else 1


def measure(given: dict[str, Any], over: str, pieces: int, environment: dict[str, str]) -> dict[str, Any]:
    """One run, in a process of its own so that no engine is loaded yet."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        threads = "2" if over == "devices" else "1"
        for number in range(pieces if over == "workers" else 0):
            stack.enter_context(worker(POOL, environment, Path(folder) / f"worker-{number}.log"))
        spread = SpreadConfig.model_validate({"over": over, "pieces": pieces})
        told = {**given, "store": f"{folder}/store", "spread": spread}
        plain = {name: value.model_dump() if hasattr(value, "model_dump") else value for name, value in told.items()}
        code = "import json, sys; from flows.stage_a import stage_a; print(json.dumps(stage_a(**json.load(sys.stdin))))"
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(plain),
            stdout=subprocess.PIPE,
            env=environment | {"OMP_NUM_THREADS": threads},
            cwd=REPOSITORY,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - began
    summary = json.loads(done.stdout.splitlines()[-1])
    return {
        "over": over,
        "pieces": pieces,
        "photos_per_second": summary["photos_per_second"] * pieces,
        "seconds": round(seconds, 1),
        "sha256": summary["sha256"],
    }


@contextmanager
def server() -> Iterator[dict[str, str]]:
    """A Prefect server of its own with a pool and the deployment; the environment that leads to it."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    with prefect_test_harness(server_startup_timeout=180):
        environment = os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value()), "PREFECT_LOGGING_LEVEL": "WARNING"}
        make_pool(POOL, "infer-piece", environment)
        yield environment


if __name__ == "__main__":
    sys.exit(main())
