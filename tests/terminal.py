"""A program on a terminal of its own, and a person who types Ctrl-C. Knows no test."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_WAIT_SECONDS = 240.0


@dataclass
class Terminal:
    """A command in the foreground of a new terminal: what is typed reaches its whole process group."""

    command: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    said: bytes = b""
    _exit: int | None = None
    _pid: int = field(init=False)
    _screen: int = field(init=False)

    def __enter__(self) -> Self:
        self._pid, self._screen = pty.fork()
        if self._pid == 0:
            # A suite that was started in the background ignores Ctrl-C, and would leave that to its children.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.chdir(self.folder)
            os.execve(self.command[0], list(self.command), dict(self.env))
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._exit is None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._screen)

    @property
    def pid(self) -> int:
        """Of the command."""
        return self._pid

    @property
    def text(self) -> str:
        """What it said, without colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.said.decode(errors="replace"))

    def until(self, done: Callable[[], bool] | str, seconds: float = _WAIT_SECONDS) -> None:
        """Wait until it has said a text, or something else is so. Fails when it ends before, or takes too long."""
        so = (lambda: done in self.text) if isinstance(done, str) else done
        until = time.monotonic() + seconds
        while not so():
            assert self._read() or so(), f"ended too early: {self.text[-3000:]}"
            assert time.monotonic() < until, f"took too long: {self.text[-3000:]}"

    def press_ctrl_c(self) -> None:
        """As a person does."""
        os.write(self._screen, b"\x03")

    def send(self, number: int) -> None:
        """A signal to the command alone."""
        os.kill(self._pid, number)

    def code(self, seconds: float = _WAIT_SECONDS) -> int:
        """Its exit code, once it has ended; 128 and the number for a signal that ended it, as a shell has it."""
        until = time.monotonic() + seconds
        while self._exit is None:
            assert time.monotonic() < until, f"does not end: {self.text[-3000:]}"
            self._read()
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                while self._read():
                    pass
                found = os.waitstatus_to_exitcode(status)
                self._exit = found if found >= 0 else 128 - found
        return self._exit

    def _read(self) -> bool:
        """Take what is on the screen; whether there may be more."""
        if not select.select([self._screen], [], [], 0.05)[0]:
            return self._exit is None and Path(f"/proc/{self._pid}").exists()
        try:
            data = os.read(self._screen, 65536)
        except OSError:
            return False
        self.said += data
        return bool(data)
