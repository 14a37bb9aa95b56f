"""The command line in a process of its own, watched and disturbed as the environment says. Knows flags no better than
`flows.cli` does; engine, store and Prefect are the real ones.

FAULTS_JOURNAL  a file that gets one line a result of the engine: its work key. One write a line, so that a SIGKILL
                loses no line.
FAULTS_KILL     `event:pattern:n`: SIGKILL to this process just before the n-th event of that kind whose path matches;
                `open` is a file that is opened, `rename` a file that is put in its place.
FAULTS_STOP     the same, but SIGSTOP: the process is frozen right there, until it gets a SIGCONT.
FAULTS_CLOCK    `n:seconds`: from the n-th result on, for 0 from the start, the wall clock is so many seconds ahead;
                monotonic clocks go on.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

JOURNAL, KILL, STOP, CLOCK = "FAULTS_JOURNAL", "FAULTS_KILL", "FAULTS_STOP", "FAULTS_CLOCK"

_EVENTS = {"open": ("open", 0), "rename": ("os.rename", 1)}
"""Audit event (https://docs.python.org/3/library/audit_events.html) and the place of the path among its arguments."""

Heard = Callable[[str], None]


def main(argv: Sequence[str]) -> int:
    """Watch, then run the command line on `argv`; its exit code."""
    _watch_engine([hear for hear in (_journal(), _clock()) if hear is not None])
    _watch_files()
    from flows.cli import main as fieldcheck

    return fieldcheck(argv)


def forked(argv: Sequence[str], environment: Mapping[str, str], out: str, err: str) -> None:
    """`main` in a process that was forked with everything imported; it gets the environment and outputs only now."""
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path in ((1, out), (2, err)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    from prefect.context import refresh_global_settings_context

    # Both were read when all was imported, before there was this child.
    refresh_global_settings_context()
    tempfile.tempdir = None
    sys.exit(main(argv))


class Watched:
    """An engine that tells of each result before it gives it on."""

    def __init__(self, engine: Any, hear: Sequence[Heard]) -> None:
        self._engine, self._hear = engine, hear

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def generate(self, requests: Iterable[Any]) -> Iterator[Any]:
        """The engine's own results."""
        for result in self._engine.generate(requests):
            for hear in self._hear:
                hear(result.id)
            yield result


def _watch_engine(hear: Sequence[Heard]) -> None:
    from tasks.engines import open as engines

    really_open = engines._open
    engines._open = lambda spec: Watched(really_open(spec), hear)


def _watch_files() -> None:
    for name, sent in ((KILL, signal.SIGKILL), (STOP, signal.SIGSTOP)):
        if name in os.environ:
            _at(os.environ[name], lambda sent=sent: os.kill(os.getpid(), sent))


def _at(when: str, do: Callable[[], object]) -> None:
    kind, _, rest = when.partition(":")
    pattern, _, at = rest.rpartition(":")
    matches = re.compile(pattern).search
    counted = _Counted(int(at), do)
    wanted, place = _EVENTS[kind]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == wanted and isinstance(path := arguments[place], str | bytes) and matches(os.fsdecode(path)):
            counted()

    sys.addaudithook(hook)


def _journal() -> Heard | None:
    if JOURNAL not in os.environ:
        return None
    descriptor = os.open(os.environ[JOURNAL], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def note(work_key: str) -> None:
        os.write(descriptor, f"{work_key}\n".encode())

    return note


def _clock() -> Heard | None:
    if CLOCK not in os.environ:
        return None
    import time

    import time_machine

    at, _, seconds = os.environ[CLOCK].partition(":")

    def jump() -> None:
        time_machine.travel(time.time() + float(seconds), tick=True).start()

    if int(at) == 0:
        jump()
    counted = _Counted(int(at), jump)
    return lambda _: counted()


class _Counted:
    """Does something at its n-th call, and nothing at any other."""

    def __init__(self, at: int, do: Callable[[], object]) -> None:
        self._left, self._do = at, do

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._do()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
