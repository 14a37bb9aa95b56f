"""Who holds a mission, and whether that process is still there. Knows processes and records; knows no store.

A process id means something on one machine only, so a lock names the machine too: host name, boot and pid namespace,
because two containers may share a host name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from tasks.records.base import Record

_PROC = Path("/proc")
_STATE, _STARTED = 0, 19
"""Places of a process's state and start time among the fields behind its name: fields 3 and 22 of proc(5)."""
_DEAD = frozenset("ZXx")


class Lock(Record):
    """`lock.json` of a mission: who holds it. `beat` counts up while the holder lives; 0 is a claim, not yet held.

    `machine` is `host/boot/namespace`, or the host name alone where there is no /proc; then `started`, the start time
    of the process in clock ticks since boot, is None. `run` says in words whose run it is.
    """

    token: str = Field(min_length=1)
    machine: str
    pid: int = Field(ge=1, lt=2**31)
    started: int | None
    beat: int = Field(ge=0)
    run: str

    @property
    def who(self) -> str:
        """The holder, for people."""
        return f"{self.run} (process {self.pid} on {self.machine.partition('/')[0]})"


def claim(token: str, run: str, proc: Path = _PROC) -> Lock:
    """The lock of this process, not yet held; `token` is one acquisition's own."""
    pid, machine = os.getpid(), _machine(proc)
    fields = _fields(pid, proc) if machine else None
    started = int(fields[_STARTED]) if fields else None
    return Lock(token=token, machine=machine or os.uname().nodename, pid=pid, started=started, beat=0, run=run)


def is_gone(lock: Lock, proc: Path = _PROC) -> bool:
    """Whether the lock's process surely runs no more: it was of this machine, and has ended or its id is another's.

    False whenever that cannot be told.
    """
    if lock.started is None or lock.machine != _machine(proc):
        return False
    try:
        os.kill(lock.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it is there, and another user's
    fields = _fields(lock.pid, proc)
    # Killed, but its parent has not asked for it yet: a zombie has its id still and does nothing more.
    return fields is not None and (fields[_STATE] in _DEAD or int(fields[_STARTED]) != lock.started)


@dataclass(slots=True)
class Watch:
    """Tells from looks at a lock, by our own clock, how long it has not changed. Compares no two machines' clocks."""

    most: float
    """Seconds that the time between two looks counts at most: while we did not look, the holder may have been as
    frozen, or as cut off, as we were."""
    data: bytes | None = field(default=None, init=False)
    looked: float = field(default=0.0, init=False)
    quiet: float = field(default=0.0, init=False)

    def look(self, data: bytes, now: float) -> float:
        """Seconds for which the lock's bytes have been the same; `now` is when they were read."""
        self.quiet = self.quiet + min(now - self.looked, self.most) if data == self.data else 0.0
        self.data, self.looked = data, now
        return self.quiet


def _machine(proc: Path) -> str | None:
    try:
        if os.readlink(proc / "self") != str(os.getpid()):
            return None  # a /proc of another pid namespace, as when the host's is mounted into a container
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        return f"{os.uname().nodename}/{boot}/{os.readlink(proc / 'self/ns/pid')}"
    except OSError:
        return None


def _fields(pid: int, proc: Path) -> list[str] | None:
    try:
        # The name stands in brackets and may hold spaces and brackets itself.
        fields = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return fields if len(fields) > _STARTED else None
