"""Tests of who holds a mission: real processes, alive, dead, and not told apart where that cannot be done."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.records.jsonl import parse, to_line
from tasks.runs.lock_owner import Lock, Watch, claim, is_gone

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def mine() -> Lock:
    """The lock of this process."""
    if not Path("/proc/self/ns/pid").is_symlink():
        pytest.skip("there is no /proc here")
    return claim("t", "a test")


def of_process(mine: Lock, pid: int) -> Lock:
    """The lock that a process of this machine would have written."""
    started = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return mine.model_copy(update={"pid": pid, "started": started})


def test_a_lock_is_one_canonical_line(mine: Lock) -> None:
    line = to_line(mine)
    assert list(type(mine).model_fields) == ["token", "machine", "pid", "started", "beat", "run"]
    assert parse(Lock, line, "lock.json") == mine
    assert (mine.pid, mine.beat) == (os.getpid(), 0)


def test_people_read_run_process_and_host(mine: Lock) -> None:
    lock = mine.model_copy(update={"machine": "gpu-7/boot/pid:[1]", "pid": 12, "run": "nightly-3"})
    assert lock.who == "nightly-3 (process 12 on gpu-7)"


@pytest.mark.parametrize("pid", [-1, 0, 2**31])
def test_a_lock_cannot_name_a_process_group(pid: int) -> None:
    # Asking after such an id would ask after something else than one process.
    with pytest.raises(ValidationError):
        Lock(token="t", machine="m", pid=pid, started=1, beat=0, run="r")


def test_this_process_is_there(mine: Lock) -> None:
    assert not is_gone(mine)


def test_a_process_is_gone_when_killed_and_when_its_parent_has_asked(mine: Lock) -> None:
    with subprocess.Popen(SLEEPER) as process:
        lock = of_process(mine, process.pid)
        assert not is_gone(lock)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(lock), "a zombie counts as gone"
    assert is_gone(lock)


def test_another_process_with_the_same_id_is_not_the_holder(mine: Lock) -> None:
    assert mine.started is not None
    assert is_gone(mine.model_copy(update={"started": mine.started - 1}))


@pytest.mark.parametrize("part", [0, 1, 2], ids=["host", "boot", "namespace"])
def test_a_process_of_another_machine_is_never_judged(mine: Lock, part: int) -> None:
    parts = mine.machine.split("/")
    assert len(parts) == 3
    parts[part] += "x"
    assert not is_gone(mine.model_copy(update={"machine": "/".join(parts), "started": 1}))


def test_without_proc_nothing_is_judged(mine: Lock, tmp_path: Path) -> None:
    lock = claim("t", "a test", proc=tmp_path)
    assert (lock.machine, lock.started) == (os.uname().nodename, None)
    dead = mine.model_copy(update={"started": 1})
    assert is_gone(dead)
    assert not is_gone(dead, proc=tmp_path)
    assert not is_gone(lock)


def test_a_proc_of_another_namespace_is_not_believed(mine: Lock, tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to(str(os.getpid() + 1))
    assert claim("t", "a test", proc=tmp_path).started is None


def test_a_name_with_brackets_and_spaces_does_not_confuse(mine: Lock, tmp_path: Path) -> None:
    program = tmp_path / "a) Z 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "60"]) as process:
        try:
            # Until it has become that program, the child has the name of this one.
            deadline = time.monotonic() + 10
            while ") Z" not in Path(f"/proc/{process.pid}/comm").read_text():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert not is_gone(of_process(mine, process.pid))
        finally:
            process.kill()


def test_a_watch_counts_how_long_nothing_changed() -> None:
    watch = Watch(most=2.0)
    assert [watch.look(b"a", now) for now in (5.0, 6.0, 7.5)] == [0.0, 1.0, 2.5]
    assert watch.look(b"b", 8.0) == 0.0
    assert watch.look(b"b", 9.0) == 1.0


def test_a_long_time_without_a_look_counts_little() -> None:
    watch = Watch(most=2.0)
    watch.look(b"a", 0.0)
    assert watch.look(b"a", 1000.0) == 2.0
