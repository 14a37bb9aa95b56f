"""Children that end with their parent, however it ends. Knows no server and no worker.

A child's standard input is a pipe of which the parent holds the only other end: it is at its end when the parent is
gone, by `kill -9` too. Children have a session of their own, so that a terminal's Ctrl-C reaches the parent alone, and
what they start ends with them.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

_GRACE_SECONDS = 20.0
"""How long a child that lost its parent may take to end by itself."""


def start(
    words: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
    errors: IO[bytes] | int | None = None,
    descriptors: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `python -m WORDS...` on a tether: a module of ours or of a library, and its arguments."""
    # Without the folder of the caller on the path: what lies there may have the names of our modules.
    command = [sys.executable, "-P", "-m", "blocks.tether", *words]
    return subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
        pass_fds=descriptors,
        start_new_session=True,
    )


def stop(child: subprocess.Popen[bytes], seconds: float) -> int:
    """SIGTERM to a child and all that it started; SIGKILL to what is left when it ends, or does not in time.

    Gives the child's exit code.
    """
    _signal(child.pid, signal.SIGTERM)
    try:
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
    finally:
        _signal(child.pid, signal.SIGKILL)
    return child.wait()


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def watch() -> None:
    """End this process when its parent has gone."""
    threading.Thread(target=_watch, name="tether", daemon=True).start()


def _watch() -> None:
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    _signal(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    _signal(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run the module that the command line names, as `python -m` does, until it ends or the parent does."""
    watch()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
