"""Ctrl-C and SIGTERM for every command, at moments from its first import to its last file. Slow."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.demo import Demo
from tests.processes import processes_with
from tests.terminal import Terminal
from tests.workers import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MISSION = "挡风板安装检查"
AT_ONCE = 30.0
"""Far above what ending takes, and far below what it takes without a server to report to."""
FIELDCHECK = [sys.executable, "-m", "fieldcheck"]

CTRL_C, TERM = signal.SIGINT, signal.SIGTERM
MOMENTS = [
    ("stage-a", 0.5, CTRL_C),
    ("stage-a", 2.0, TERM),
    ("stage-a", 5.0, CTRL_C),
    ("stage-a", "0/5", CTRL_C),
    ("stage-a", "3/57", CTRL_C),
    ("stage-a", "3/57", TERM),
    ("stage-a", "runs", CTRL_C),
    ("dense-caption", 4.0, TERM),
    ("dense-caption", "0/", CTRL_C),
    ("merge", 2.0, CTRL_C),
    ("merge", "swift export", CTRL_C),
    ("merge", "swift export", TERM),
    ("summarize", 1.5, TERM),
    ("summarize", 4.0, CTRL_C),
    ("caption", 3.0, CTRL_C),
    ("verify", 0.4, CTRL_C),
    ("missions", 0.4, TERM),
    ("demo", 1.0, TERM),
    ("demo", 6.0, CTRL_C),
]


def command(name: str, demo: Demo, folder: Path) -> list[str]:
    """What a person types."""
    photo = str(sorted(Path(demo.photos).rglob("*.jpg"))[0])
    store, model = ["--store", str(folder / "store")], ["--checkpoint", demo.checkpoint]
    return {
        "stage-a": [*FIELDCHECK, "stage-a", "--mission", MISSION, "--input-root", demo.photos, *model, *store],
        "dense-caption": [*FIELDCHECK, "dense-caption", "--input-root", f"{demo.photos}/{MISSION}", *model, *store],
        "merge": [*FIELDCHECK, "merge", *model, "--adapters", demo.adapter, "--merge.root", str(folder / "merged")],
        "summarize": [*FIELDCHECK, "summarize", photo, *model],
        "caption": [*FIELDCHECK, "caption", photo, *model],
        "verify": [*FIELDCHECK, "verify", str(folder / "manifest.json")],
        "missions": [*FIELDCHECK, "missions"],
        "demo": [sys.executable, "-m", "blocks.program", "infra.demo.run", "--root", str(folder / "demo")],
    }[name]


@pytest.mark.parametrize(("name", "moment", "number"), MOMENTS)
def test_it_ends_at_once_and_leaves_no_process(
    name: str,
    moment: float | str,
    number: signal.Signals,
    demo: Demo,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "FIELDCHECK_"))}
    env = {**kept, "PREFECT_HOME": str(tmp_path / "prefect"), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    with Terminal(command(name, demo, tmp_path), env, REPOSITORY) as terminal:
        if isinstance(moment, float):
            time.sleep(moment)
        elif moment == "runs":
            terminal.until(lambda: any((tmp_path / "store").glob("stage_a/*/runs/*")))
        else:
            terminal.until(moment)
        began = time.monotonic()
        if number is signal.SIGINT:
            terminal.press_ctrl_c()
        else:
            terminal.send(number)
        code = terminal.code(AT_ONCE)
        record_property("seconds", round(time.monotonic() - began, 2))
    if code in (0, 1):  # it was over by then
        assert name in ("verify", "missions")
    else:
        assert code == 128 + number, terminal.text[-2000:]
        assert "interrupted; run the same command again to go on" in terminal.text
    assert "Traceback" not in terminal.text, terminal.text[-3000:]
    until = time.monotonic() + AT_ONCE
    while (left := processes_with(str(tmp_path))) and time.monotonic() < until:
        time.sleep(0.1)
    assert not left
