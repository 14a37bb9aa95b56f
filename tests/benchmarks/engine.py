"""Photos a second of the engine as ratios in one run: one at a time, batches that stop at the group, across groups.

`python -m tests.benchmarks.engine` prints a table and writes `.bench/engine.json`. Every way must give the same texts,
or the run fails. Absolute figures depend on the machine; quote the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from blocks.stores import open_store
from configs.missions import known_missions
from configs.parts import EngineConfig, InputConfig
from infra.demo.prepare import prepare
from tasks.engines.protocol import Completion, Decoding, Request
from tasks.engines.transformers import TransformersEngine
from tasks.inputs.discover import discover
from tasks.inputs.verify import verify
from tasks.ledger.groups import State
from tasks.ledger.ledger import Ledger
from tasks.summaries.prompts import summary_prompt

MISSIONS = ("挡风板安装检查", "BBU接地线检查")
Groups = list[list[Request]]


def load_groups(root: Path) -> Groups:
    """The demo's accepted groups as requests, photo bytes in memory, so that no disk is measured."""
    store = open_store(str(root / "photos"))
    groups: Groups = []
    for mission in MISSIONS:
        prompt = summary_prompt(known_missions()[mission])
        ledger = Ledger()
        verify(store, ledger.groups, discover(store, mission, ledger.groups), InputConfig())
        for entry in ledger.groups.entries(State.ACCEPTED):
            group = entry.group
            group_requests = []
            for photo in group.photos:
                data = store.read(photo.key)
                group_requests.append(
                    Request(
                        id=f"{group.label}/{photo.key}",
                        read=lambda data=data: data,  # type: ignore[misc]
                        system=prompt.system,
                        user=prompt.user,
                        decoding=Decoding(max_new_tokens=96),
                        size=(photo.width, photo.height),
                    )
                )
            groups.append(group_requests)
    return groups


def texts(engine: TransformersEngine, requests: list[Request]) -> dict[str, str]:
    """Texts by id; a photo that cannot be read has an empty one."""
    return {r.id: r.text if isinstance(r, Completion) else "" for r in engine.generate(requests)}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(".bench/engine.json"))
    options = parser.parse_args()
    root = Path(".cache/demo")
    prepare(root)
    groups = load_groups(root)
    everything = [request for group in groups for request in group]

    def whole(size: int) -> Callable[[], dict[str, str]]:
        engine = TransformersEngine(str(root / "checkpoint"), engine=EngineConfig(batch_size=size))
        return lambda: texts(engine, everything)

    def by_group() -> Callable[[], dict[str, str]]:
        engine = TransformersEngine(str(root / "checkpoint"), engine=EngineConfig(batch_size=32))
        return lambda: {key: text for group in groups for key, text in texts(engine, group).items()}

    ways = {
        "one at a time": whole(1),
        "batches within a group": by_group(),
        "batch 8 across groups": whole(8),
        "batch 32 across groups": whole(32),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    reference: dict[str, str] | None = None
    for _ in range(options.repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            found = way()
            seconds[name].append(time.perf_counter() - began)
            reference = reference or found
            if found != reference:
                sys.stderr.write(f"{name} gives other texts than {next(iter(ways))}\n")
                return 1
    base = statistics.median(seconds["one at a time"])
    rows = [
        {
            "way": name,
            "photos_per_second": round(len(everything) / statistics.median(taken), 2),
            "seconds": [round(value, 2) for value in taken],
            "ratio": round(base / statistics.median(taken), 2),
        }
        for name, taken in seconds.items()
    ]
    table = Table("way", "photos a second", "ratio", "seconds", title=f"{len(everything)} photos, same texts")
    for row in rows:
        table.add_row(row["way"], str(row["photos_per_second"]), f"{row['ratio']}x", str(row["seconds"]))
    Console().print(table)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    result = {"machine": machine, "photos": len(everything), "peak_rss_mib": peak, "ways": rows}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
