"""A program at a terminal: it ends at once, with the right word and code, when a person or a system wants it to.

Killing a run at any moment is safe, so nothing is worth a long wait: a run that is told to end has two seconds to say
so to the server and to give back what it holds, and a second signal ends it there and then. Imports no library.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import NoReturn

_CLEAN_UP_SECONDS = 2.0
_ECHO_SECONDS = 0.3
"""A second signal this soon is the first one heard again: from the terminal, and from a parent that passes it on."""

GO_ON = "interrupted; run the same command again to go on"

IMPORTING = "import-engine"
"""Name of the thread that imports an engine's libraries ahead of time."""

_endings: list[_Ending] = []


class Interrupted(KeyboardInterrupt):
    """The process was told to end, by Ctrl-C (SIGINT) or by a system (SIGTERM)."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


def run_program(main: Callable[[], int], name: str, word: str = "interrupted") -> NoReturn:
    """Run `main` and end the process with its code; with 130 or 143 after SIGINT or SIGTERM, and `word` on stderr."""
    ending = _Ending(f"{name}: {word}")
    ending.listen()
    _endings.append(ending)
    code = 1
    try:
        code = main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except BaseException:
        # A library may have made an error of its own out of the interruption.
        ending.leave_if_told()
        raise
    ending.leave_if_told()
    ending.unlisten()
    if not _is_importing():
        sys.exit(code)
    # A library is half imported: the interpreter cannot be taken down around it, and nobody waits for it.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    _flush()
    os._exit(code)


def is_interrupted() -> bool:
    """Whether this process was told to end: what fails from then on is no news to anybody."""
    return any(ending.number is not None for ending in _endings)


def main() -> NoReturn:
    """`python -m blocks.program MODULE ...`: a module's `main`, told to end even while the module is imported."""
    sys.argv = sys.argv[1:]
    module = sys.argv[0]
    name = module.removesuffix(".run").rpartition(".")[2].removeprefix("own_")
    run_program(lambda: int(import_module(module).main()), name, "stopped" if name == "server" else GO_ON)


def fieldcheck() -> NoReturn:
    """The command `fieldcheck`."""
    run_program(lambda: int(import_module("flows.cli").main(sys.argv[1:])), "fieldcheck", GO_ON)


class _Ending:
    """Signals as exceptions in the main thread; and a thread of its own for when that one hears nothing."""

    def __init__(self, word: str) -> None:
        self.number: int | None = None
        """The first signal that told the process to end."""
        self._word = word
        self._leaving = threading.Lock()

    def listen(self) -> None:
        """Hear SIGINT and SIGTERM from now on; one that the parent had ignored stays so."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._raise)
        threading.Thread(target=self._watch, args=(reading,), name="signals", daemon=True).start()

    def leave_if_told(self) -> None:
        """End the process if it was told to."""
        if self.number is not None:
            self.leave(self.number)

    def unlisten(self) -> None:
        """A signal from now on ends the process as the system would: there is nothing left to say."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)

    def leave(self, number: int) -> NoReturn:
        """Say the word and end the process, whatever its other threads do."""
        with self._leaving:  # once
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h")  # a progress bar has hidden the cursor
            sys.stderr.write(f"\n{self._word}\n" if sys.stderr.isatty() else f"{self._word}\n")
            _flush()
            os._exit(128 + number)

    def _raise(self, number: int, _: FrameType | None) -> None:
        self.number = self.number or number
        raise Interrupted(number)

    def _watch(self, reading: int) -> None:
        """The interpreter writes every signal here at once, even while the main thread is in a library's C code."""
        first: float | None = None
        while True:
            for number in os.read(reading, 64):
                if number not in (signal.SIGINT, signal.SIGTERM) or signal.getsignal(number) is signal.SIG_IGN:
                    continue
                now = time.monotonic()
                if first is None:
                    first = now
                    self.number = self.number or number
                    timer = threading.Timer(_CLEAN_UP_SECONDS, self.leave, [self.number])
                    timer.daemon = True
                    timer.start()
                elif now - first > _ECHO_SECONDS:
                    self.leave(number)


def _is_importing() -> bool:
    return any(thread.name == IMPORTING for thread in threading.enumerate())


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue


if __name__ == "__main__":
    # One copy of this module: the flows that it runs ask it whether they were interrupted.
    import_module("blocks.program").main()
