"""Children on a tether end with their parent, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from blocks import tether
from tests.workers import REPOSITORY

CHILD = """
import os, signal, subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
print(os.getpid(), grandchild.pid, flush=True)
time.sleep(3600)
"""


def gone(pid: int) -> bool:
    """Whether a process has ended, before long."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_parent_that_is_killed_takes_its_children_and_theirs_along(tmp_path: Path) -> None:
    (tmp_path / "wild.py").write_text(CHILD)
    text = "import subprocess, time; from blocks import tether; tether.start(['wild']); time.sleep(3600)"
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}
    parent = subprocess.Popen([sys.executable, "-c", text], env=env, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert not any(Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z" for pid in pids)
    parent.kill()
    parent.wait()
    assert all(gone(pid) for pid in pids)


def test_stopping_a_child_ends_what_it_started_and_does_not_wait_for_the_deaf(tmp_path: Path) -> None:
    (tmp_path / "wild.py").write_text(CHILD.replace("print(", "signal.signal(signal.SIGTERM, signal.SIG_IGN); print("))
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    child = tether.start(["wild"], env=env, output=subprocess.PIPE)
    assert child.stdout is not None
    pids = [int(word) for word in child.stdout.readline().split()]
    assert tether.stop(child, 0.2) == -signal.SIGKILL
    child.stdout.close()
    assert all(gone(pid) for pid in pids)


def test_a_terminals_ctrl_c_is_not_for_the_child(tmp_path: Path) -> None:
    (tmp_path / "wild.py").write_text(CHILD)
    child = tether.start(["wild"], env={**os.environ, "PYTHONPATH": str(tmp_path)}, output=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    assert os.getsid(child.pid) != os.getsid(0)
    tether.stop(child, 5)
    child.stdout.close()
