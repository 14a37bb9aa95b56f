"""Tests of running ms-swift's export as a process. That it merges is tested where a merge is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tasks.checkpoints.swift_export as exporting
from tasks.checkpoints.swift_export import export
from tasks.records.errors import MergeFailed
from tests.demo import Demo
from tests.tasks.checkpoints.processes import ROOT, alive, children_of, until


def test_a_late_export_is_killed_with_all_it_started(demo: Demo, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(MergeFailed, match=r"took more than 1 s and was killed; raise merge\.timeout_seconds"):
        export(
            Path(demo.checkpoint),
            Path(demo.adapter),
            tmp_path / "out",
            dtype="float32",
            timeout_seconds=1.0,
            say=lambda line: None,
        )
    assert time.monotonic() - began < 5.0
    assert children_of(tmp_path) == []
    assert not (tmp_path / "out").exists()


def test_an_export_that_is_interrupted_is_killed(demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "_command", lambda *args: [sys.executable, "-c", SLEEPY, str(tmp_path)])
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path, tmp_path, tmp_path / "out", dtype="float32", timeout_seconds=60.0, say=interrupt)
    assert children_of(tmp_path) == []


SLEEPY = "import time\nprint('here', flush=True)\ntime.sleep(60)\n"


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("raise SystemExit(3)", r"ended with code 3\. It said nothing"),
        ("print('no room\\x1b[2J'); raise SystemExit(1)", r"code 1\. Its last lines: no room \[2J$"),
        ("import os; os.kill(os.getpid(), 9)", r"was killed by signal 9\. It said nothing"),
        ("print(*range(20), sep='\\n'); raise SystemExit(1)", r"Its last lines: 8 \| 9 \| 10 .* \| 19$"),
    ],
)
def test_a_failed_export_is_told_with_its_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, wanted: str
) -> None:
    monkeypatch.setattr(exporting, "_command", lambda *args: [sys.executable, "-c", code])
    with pytest.raises(MergeFailed, match=wanted):
        export(tmp_path, tmp_path, tmp_path / "out", dtype="float32", timeout_seconds=60.0, say=lambda line: None)


def test_the_process_gets_no_key_no_rank_and_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "RANK", "WORLD_SIZE", "NPROC_PER_NODE", "MODELSCOPE_API_TOKEN"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    code = "import os\nfor name in sorted(os.environ): print(name)"
    monkeypatch.setattr(exporting, "_command", lambda *args: [sys.executable, "-c", code])
    lines: list[str] = []
    export(tmp_path, tmp_path, tmp_path / "out", dtype="float32", timeout_seconds=60.0, say=lines.append)
    names = {line.removeprefix("swift export: ") for line in lines}
    assert {"HF_HUB_OFFLINE", "USE_HF", "OMP_NUM_THREADS", "PATH"} <= names
    assert not {name for name in names if "TOKEN" in name and name != "TOKENIZERS_PARALLELISM"}
    assert not {"AWS_SECRET_ACCESS_KEY", "RANK", "WORLD_SIZE", "NPROC_PER_NODE"} & names


def test_an_export_does_not_outlive_the_process_it_works_for(demo: Demo, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom tasks.checkpoints.swift_export import export\n"
        "base, adapter, out = map(Path, sys.argv[1:])\n"
        "export(base, adapter, out, dtype='float32', timeout_seconds=60.0, say=print)\n"
    )
    given = [demo.checkpoint, demo.adapter, str(tmp_path / "out")]
    parent = subprocess.Popen([sys.executable, "-c", code, *given], cwd=ROOT)
    try:
        child = until(lambda: [pid for pid in children_of(tmp_path) if pid != parent.pid])[0]
        time.sleep(1.0)  # it asks to die with its parent before it does anything else
        assert alive(child)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until(lambda: not alive(child))


def test_a_child_whose_parent_is_gone_already_ends_at_once() -> None:
    script = ROOT / "tasks" / "checkpoints" / "swift_child.py"
    done = subprocess.run([sys.executable, "-P", str(script), str(os.getpid() + 1)], check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
