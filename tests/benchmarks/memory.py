"""What a number format costs and saves: bytes of weights, peak memory, photos a second, and whether texts stay.

`python -m tests.benchmarks.memory` prints a table and writes `.bench/memory.json`. Each format runs in a process of its
own, so that peaks do not mix. A format that cannot run here, or not in time, is listed with the reason. On a CPU, int8
and int4 are tried when bitsandbytes is installed, although the engine itself refuses them there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_SECONDS = 100
FORMATS = ("float32", "bfloat16", "float16", "int8", "int4")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=48)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path(".bench/memory.json"))
    parser.add_argument("--one", choices=FORMATS, help="run one format here and print its figures as JSON")
    options = parser.parse_args()
    if options.one:
        sys.stdout.write(json.dumps(measure(options.one, options.device, options.photos)) + "\n")
        return 0
    from infra.demo.prepare import prepare

    prepare(Path(".cache/demo"))
    rows = [in_a_process(name, options.device, options.photos) for name in FORMATS]
    reference = rows[0].get("texts", {})
    for row in rows:
        texts = row.pop("texts", None)
        if texts is not None:
            row["same_text"] = sum(texts[key] == reference.get(key) for key in texts) / max(1, len(texts))
    show(rows, options.photos)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    result = {"machine": machine, "photos": options.photos, "formats": rows}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def in_a_process(name: str, device: str, photos: int) -> dict[str, Any]:
    """The figures of one format, or the reason why there are none."""
    command = [sys.executable, "-m", "tests.benchmarks.memory", "--one", name, "--device", device]
    try:
        done = subprocess.run([*command, "--photos", str(photos)], capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return {"format": name, "skipped": f"not done in {_SECONDS} s"}
    if done.returncode:
        return {"format": name, "skipped": (done.stderr.strip().splitlines() or ["no message"])[-1][:200]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(name: str, device: str, photos: int) -> dict[str, Any]:
    """The figures of one format in this process. Weights count every parameter and buffer once."""
    import torch

    from configs.parts import EngineConfig, ModelConfig
    from tasks.engines import loading
    from tasks.engines.loading import pick_device
    from tasks.engines.protocol import Completion
    from tasks.engines.transformers import TransformersEngine
    from tests.benchmarks.throughput.checkpoints import SETTINGS
    from tests.benchmarks.throughput.ways import Asked
    from tests.benchmarks.throughput.workload import make_input

    place = pick_device(device)
    quantised = name in ("int8", "int4")
    if quantised and find_spec("bitsandbytes") is None:
        return {"format": name, "skipped": "bitsandbytes is not installed"}
    dtype = ("bfloat16" if place.type == "cuda" else "float32") if quantised else name
    if place.type == "cpu":
        loading.check_quantisation = lambda *_: None
    settings = {"dtype": dtype, "quantisation": name if quantised else "none"}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    engine = TransformersEngine(
        ".cache/demo/checkpoint",
        device=device,
        model=ModelConfig.model_validate(settings),
        engine=EngineConfig(batch_size=16),
    )
    asked = Asked(SETTINGS["tiny"], Path(".cache/demo/checkpoint"), device, 16)
    groups = make_input(Path(f".cache/throughput/photos-tiny-{photos}"), photos)
    requests = [asked.request(item) for group in groups for item in group]
    list(engine.generate(requests[:2]))  # the first call pays for what is set up once
    began = time.perf_counter()
    found = [result for result in engine.generate(requests) if isinstance(result, Completion)]
    seconds = time.perf_counter() - began
    model = engine._generator.model
    tensors = [*model.parameters(), *model.buffers()]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "format": name,
        "weights_mib": round(sum(tensor.nbytes for tensor in tensors) / 2**20, 1),
        "peak_rss_mib": peak // 1024,
        "rss_before_loading_mib": before // 1024,
        "peak_cuda_mib": torch.cuda.max_memory_allocated() // 2**20 if place.type == "cuda" else None,
        "photos_per_second": round(len(found) / seconds, 1),
        "texts": {completion.id: completion.text for completion in found},
    }


def show(rows: list[dict[str, Any]], photos: int) -> None:
    """The table."""
    table = Table(
        "format", "weights MiB", "peak RSS MiB", "peak CUDA MiB", "same text", "photos/s", title=f"{photos} photos"
    )
    for row in rows:
        if "skipped" in row:
            table.add_row(row["format"], f"skipped: {row['skipped']}")
            continue
        cells = (row["weights_mib"], row["peak_rss_mib"], row["peak_cuda_mib"] or "-", f"{row['same_text']:.0%}")
        table.add_row(row["format"], *map(str, cells), str(row["photos_per_second"]))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
