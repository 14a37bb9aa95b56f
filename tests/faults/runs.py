"""Runs of the command line in child processes: start, wait, kill, and look at what they leave. Knows no test.

A child is started anew (`cold`, Python and torch are loaded, as for a user), or forked from a process that has loaded
them (about a second, for most tests).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from blocks.store import Store
from configs.stores import TEMPORARY_PREFIX
from flows.commands.checks import check_any
from tasks.runs.keys import MANIFEST, latest_key
from tasks.runs.verified_files import Checked
from tests.faults import child

MISSION = "挡风板安装检查"
PHOTO_SET = "夜间"
SHARD, BATCH = 3, 2
LOST = SHARD + 2 * BATCH
"""Photos that one kill costs at most: a shard, and what was answered of the next ones while its last photo was."""
GRID = [{"temperature": 0.0}, {"temperature": 0.7, "top_p": 0.95, "samples": 2}]
"""Three candidates a ticket."""
REPOSITORY = Path(__file__).parents[2]

_LOADED = ["flows.cli", "flows.stage_a", "flows.stage_b", "tasks.engines.transformers", "tests.faults.child"]
_PHASES = (
    ("starting", "Beginning flow run"),
    ("verifying", "photos accepted"),
    ("planning", "to ask about"),
    ("inferring", "are accounted for"),
    ("publishing", "of the mission"),
    ("handing off", "^published "),
)
"""Phases of a run in order, and what stands on stderr when one is over."""


@dataclass(slots=True)
class Run:
    """One child process, and the files that it writes: results of its engine, stdout and stderr."""

    journal: Path
    out: Path
    err: Path
    process: subprocess.Popen[bytes] | multiprocessing.process.BaseProcess
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def code(self) -> int | None:
        """Exit code, a negative one for a signal; None while it runs."""
        process = self.process
        code = process.poll() if isinstance(process, subprocess.Popen) else process.exitcode
        if code is not None and self.ended is None:
            self.ended = time.monotonic()
        return code

    @property
    def seconds(self) -> float:
        """How long it ran, or has run."""
        return (self.ended or time.monotonic()) - self.began

    def wait(self, timeout: float = 240.0) -> int:
        """The exit code. Raises AssertionError, and kills the child, when it does not end in time."""
        if not self.until(lambda: False, timeout):
            return int(self.code or 0)
        self.kill()
        raise AssertionError(f"no end after {timeout:g} s in phase {self.phase}: {self.stderr[-2000:]}")

    def until(self, condition: Callable[[], bool], timeout: float = 240.0) -> bool:
        """Wait until the condition holds, the child has ended or time is up; whether the child still runs."""
        deadline = time.monotonic() + timeout
        while self.code is None and not condition() and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.code is None

    def kill(self) -> bool:
        """SIGKILL; whether there was something left to kill. The child is gone afterwards."""
        alive = self.code is None
        if alive and self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGKILL)
        while self.code is None:
            time.sleep(0.005)
        return self.code == -signal.SIGKILL

    @property
    def inferred(self) -> list[str]:
        """Work keys in the order of the engine's results; a photo that was asked again is there again."""
        return self.journal.read_text().splitlines() if self.journal.exists() else []

    @property
    def stderr(self) -> str:
        """All that stands on stderr."""
        return self.err.read_text(encoding="utf-8", errors="replace")

    @property
    def complaint(self) -> str:
        """The command's own last words on stderr, "" if there are none."""
        return "\n".join(line for line in self.stderr.splitlines() if line.startswith("fieldcheck: "))

    @property
    def summary(self) -> dict[str, Any]:
        """The JSON on stdout's last line."""
        summary: dict[str, Any] = json.loads(self.out.read_text(encoding="utf-8").splitlines()[-1])
        return summary

    @property
    def phase(self) -> str:
        """How far the run is, by what it has said."""
        said = self.stderr
        for name, over in _PHASES:
            if not re.search(over, said, re.MULTILINE):
                return "loading" if name == "inferring" and not self.inferred else name
        return "done"


@dataclass(frozen=True, slots=True)
class Launcher:
    """Starts children over one small mission. `environment` goes to all of them, `folder` takes what they write."""

    photos: Path
    checkpoint: str
    judge: str
    folder: Path
    environment: Mapping[str, str]

    def start(
        self,
        store: object,
        *flags: str,
        env: Mapping[str, str] | None = None,
        cold: bool = False,
        stage_b: bool = False,
    ) -> Run:
        """A Stage-A run into `store`; `flags` are added to the command line and `env` to the environment."""
        argv = ["stage-a", "--mission", MISSION, *self._told(store), "--max-new-tokens", "96", *flags]
        return self._start([*argv, *([] if stage_b else ["--hand-off.mode", "none"])], env, cold=cold)

    def start_dense(self, store: object, *flags: str, env: Mapping[str, str] | None = None) -> Run:
        """A run of dense captions into `store`; like `start`."""
        told = ["--name", PHOTO_SET, "--no-overlays", "--max-pixels", "82944", "--dense.max-new-tokens", "300"]
        return self._start(["dense-caption", *self._told(store), *told, *flags], env, cold=False)

    def start_judge(self, manifest: str, *flags: str, env: Mapping[str, str] | None = None) -> Run:
        """A run of Stage-B over the published run with this manifest, which lies in its store; like `start`."""
        told = ["--judge.max-new-tokens", "96", "--judge.critic-max-new-tokens", "160", "--judge.uncalibrated", "allow"]
        argv = ["stage-b", "--manifest", manifest, *self._model(self.judge), "--judge.grid", json.dumps(GRID)]
        return self._start([*argv, *told, *flags], env, cold=False)

    def _told(self, store: object) -> list[str]:
        return ["--input-root", str(self.photos), "--store", str(store), *self._model(self.checkpoint)]

    def _model(self, checkpoint: str) -> list[str]:
        sizes = ("--device", "cpu", "--shard-photos", str(SHARD), "--batch-size", str(BATCH))
        return ["--checkpoint", checkpoint, *sizes]

    def _start(self, argv: Sequence[str], env: Mapping[str, str] | None, *, cold: bool) -> Run:
        name = f"{len(list(self.folder.glob('*.err'))):03d}"
        journal, out, err = (self.folder / f"{name}.{kind}" for kind in ("journal", "out", "err"))
        err.touch()
        environment = os.environ | dict(self.environment) | {child.JOURNAL: str(journal)} | dict(env or {})
        if cold:
            command = [sys.executable, "-m", "tests.faults.child", *argv]
            with out.open("wb") as stdout, err.open("wb") as stderr:
                process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment, cwd=REPOSITORY)
            return Run(journal, out, err, process)
        context = multiprocessing.get_context("forkserver")
        forked = context.Process(target=child.forked, args=(argv, environment, str(out), str(err)), daemon=True)
        forked.start()
        return Run(journal, out, err, forked)


def load_once() -> None:
    """Start the process that children are forked from. What Prefect and torch read of the environment when they are
    imported, they read now."""
    multiprocessing.set_forkserver_preload(_LOADED)
    forkserver.ensure_running()


def published(store: Store) -> dict[str, bytes]:
    """All that a reader of the store can find of its runs, by key: the product, provenance, quarantine, manifests."""
    return {info.key: store.read(info.key) for stage in "ab" for info in store.list(f"stage_{stage}/{MISSION}/runs/")}


def sequence(store: Store) -> int:
    """How often the mission's pointer has moved."""
    return int(json.loads(store.read(latest_key(MISSION)))["sequence"])


def check_all(store: Store) -> list[Checked[Any]]:
    """Check every run that has a manifest; raises as `fieldcheck verify` does. A pointer names one of them."""
    keys = [key for key in published(store) if key.endswith(f"/{MANIFEST}")]
    checked = [check_any(store, key) for key in keys]
    if store.stat(latest_key(MISSION)) is not None:
        latest = json.loads(store.read(latest_key(MISSION)))
        assert latest["manifest"] in keys
        assert latest["sha256"] in {run.sha256 for run in checked}
    return checked


def half_written(store: Path) -> list[Path]:
    """Hidden files that killed writers left."""
    return sorted(store.rglob(f"{TEMPORARY_PREFIX}*"))


def inferred_again(runs: Sequence[Run]) -> Iterator[int]:
    """For each run after the first: how many of the photos that it inferred an earlier one had inferred already."""
    seen = set(runs[0].inferred)
    for run in runs[1:]:
        now = set(run.inferred)
        yield len(now & seen)
        seen |= now
