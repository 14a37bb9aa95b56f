"""One measured run, in a process of its own: `scale` starts it. Knows the flow, and no Prefect server.

Only the engine is another one: it reads every photo, and answers at once. Store calls are counted on the way.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import tasks.engines.open
import tasks.inputs.task
from blocks.local_store import LocalStore
from configs.parts import EngineConfig, ModelConfig
from flows.dense_caption import dense_caption
from flows.stage_a import stage_a
from tasks.engines.protocol import Completion, Request, Results
from tests.benchmarks.tiny_photos import SHARD_PHOTOS
from tests.builders import MISSION

_SAMPLE_SECONDS = 0.2
_MIB = 2**20
_CALLS = ("stat", "read", "open", "write", "upload", "delete", "folders")


class InstantEngine:
    """Reads each photo and gives them all the same answer."""

    name = "instant"

    def __init__(self, text: str) -> None:
        self.text = text

    def length(self, request: Request) -> int:
        """All are alike."""
        return 1

    def generate(self, requests: Iterable[Request]) -> Results:
        """One completion a request, in order."""
        for request in requests:
            assert request.read is not None
            request.read()
            width, height = request.size or (1, 1)
            yield Completion(request.id, self.text, "stop", 200, 6, 9, width, height, width, height)

    def close(self) -> None:
        """Nothing to free."""


class Meter:
    """Resident MiB and CPU seconds of this process over time, five times a second.

    Other work on the machine changes the seconds that a run takes, and hardly those of its CPU.
    """

    def __init__(self) -> None:
        self.samples: list[tuple[float, float, float]] = []
        threading.Thread(target=self._sample, daemon=True).start()

    @staticmethod
    def now() -> float:
        """Resident MiB."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return round(pages * resource.getpagesize() / _MIB, 1)

    def _sample(self) -> None:
        while True:
            self.samples.append((time.time(), self.now(), time.process_time()))
            time.sleep(_SAMPLE_SECONDS)


class Calls:
    """Counts what is asked of local stores, by kind and place; what a call asks of itself counts once."""

    def __init__(self, store: Path) -> None:
        self._store = str(store)
        self._inside = threading.local()
        self.counts: dict[str, Counter[str]] = {"photos": Counter(), "store": Counter()}
        self.listed: dict[str, Counter[str]] = {"photos": Counter(), "store": Counter()}
        for name in _CALLS:
            setattr(LocalStore, name, self._counted(name, getattr(LocalStore, name)))
        LocalStore.list = self._listed(LocalStore.list)  # type: ignore[method-assign]

    def _side(self, store: LocalStore) -> str:
        return "store" if store.uri == self._store else "photos"

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(store: LocalStore, key: str = "", *args: Any, **options: Any) -> Any:
            if getattr(self._inside, "yes", False):
                return call(store, key, *args, **options)
            side = self._side(store)
            self.counts[side][f"{name} {_place(side, key)}"] += 1
            self._inside.yes = True
            try:
                return call(store, key, *args, **options)
            finally:
                self._inside.yes = False

        return counted

    def _listed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def listed(store: LocalStore, prefix: str = "") -> Iterator[Any]:
            side = self._side(store)
            self.listed[side][prefix] += 0  # a prefix with nothing under it was listed all the same
            for info in call(store, prefix):
                self.listed[side][prefix] += 1
                yield info

        return listed


def _place(side: str, key: str) -> str:
    """A key's first parts: of photos the mission, of the store stage, mission and kind."""
    parts = key.split("/")
    depth = 1 if side == "photos" else 3
    return "/".join(parts[:depth]) + ("/*" if len(parts) > depth else "")


def timed(call: Callable[..., Any], name: str, marks: list[tuple[str, float, float]]) -> Callable[..., Any]:
    """`call`, whose begin and end are noted under `name`."""

    def noted(*args: Any, **options: Any) -> Any:
        began = time.time()
        try:
            return call(*args, **options)
        finally:
            marks.append((name, began, time.time()))

    return noted


def main() -> int:
    """Command line: the kind of question, the folder of the run, and the file for what was measured."""
    kind, folder, out = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3])
    marks: list[tuple[str, float, float]] = []
    tasks.engines.open._open = lambda spec: InstantEngine("{}" if kind == "captions" else "BBU设备×1")
    for name in ("discover", "verify"):
        setattr(tasks.inputs.task, name, timed(getattr(tasks.inputs.task, name), f"  {name}", marks))
    calls = Calls(folder / "store")
    meter = Meter()
    start, began = meter.now(), time.process_time()
    told: dict[str, Any] = {
        "input_root": str(folder / "photos"),
        "store": str(folder / "store"),
        "model": ModelConfig(base=str(folder / "checkpoint")),
        "device": "cpu",
        "shard_photos": SHARD_PHOTOS,
        "engine": EngineConfig(batch_size=SHARD_PHOTOS // 2),  # so that the first shard is a whole one too
    }
    summary = dense_caption(**told, overlays=False) if kind == "captions" else stage_a(**told, mission=MISSION)
    result = {
        "summary": summary,
        "start_mib": start,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "cpu_seconds": round(time.process_time() - began, 2),
        "marks": marks,
        "samples": meter.samples,
        "calls": calls.counts,
        "listed": calls.listed,
    }
    out.write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
