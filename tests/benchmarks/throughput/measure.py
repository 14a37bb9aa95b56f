"""One way, measured in a process of its own: `python -m tests.benchmarks.throughput.measure WAY ...` prints JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.throughput.checkpoints import SETTINGS
from tests.benchmarks.throughput.phases import Clock, watch_flow, watch_ours, watch_published
from tests.benchmarks.throughput.workload import make_input

WARM = 8
"""Photos read before the clock starts, and fewer one at a time: what is set up once belongs to the start."""


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way")
    parser.add_argument("--setting", choices=SETTINGS, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--phases", action="store_true", help="time the phases too, which costs a little")
    options = parser.parse_args()
    with contextlib.redirect_stdout(sys.stderr):  # libraries print there
        figures = measure(options)
    sys.stdout.write(json.dumps(figures, ensure_ascii=False) + "\n")
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of one pass over the photos, and the texts."""
    setting = SETTINGS[options.setting]
    groups = make_input(options.photos, options.count, setting.sides)
    warm = make_input(options.photos.with_name(f"{options.photos.name}-warm"), WARM, setting.sides)
    if options.batch == 1:
        warm = warm[:1]
    began = time.perf_counter()
    import torch

    from tests.benchmarks.throughput.ways import WAYS, Asked

    way: Any = WAYS[options.way](Asked(setting, options.checkpoint, options.device, options.batch))
    way.read(warm)
    started = time.perf_counter() - began
    clock = Clock()
    if options.phases and options.way in ("engine", "unshared"):
        watch_ours(clock, way.engine)
    elif options.phases and options.way == "flow":
        watch_flow(clock)
    elif options.phases and options.way in ("one", "groups"):
        watch_published(clock, way)
    began = time.perf_counter()
    texts = way.read(groups)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "start_seconds": started,
        "texts": texts,
        "phases": {name: round(value, 4) for name, value in clock.seconds.items()},
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "peak_cuda_mib": torch.cuda.max_memory_allocated() // 2**20 if torch.cuda.is_available() else None,
    }


if __name__ == "__main__":
    sys.exit(main())
