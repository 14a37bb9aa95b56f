"""`python -P swift_child.py PARENT ...`: runs `swift export` in a process that does not outlive the one it works for.

A script and no module of the package: what it runs is ms-swift, and nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends (Linux, prctl(2)); elsewhere a killed
    parent leaves an export that runs to its end, in a hidden folder that nobody publishes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    die_with(int(sys.argv.pop(1)))
    from swift.model.register import ModelLoader

    ModelLoader.default_trust_remote_code = False  # ms-swift has no setting for it
    runpy.run_module("swift.cli.export", run_name="__main__", alter_sys=True)
