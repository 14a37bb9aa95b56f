"""`python -m infra.worker --pool local`: a Prefect worker that is started again when it dies. Knows no flow."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from types import FrameType

_PAUSE_SECONDS = 2.0


def main() -> int:
    """Command line; ends, with the worker, on SIGINT and SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", required=True, help="work pool to take runs from")
    parser.add_argument("--limit", type=int, help="most runs at a time")
    options = parser.parse_args()
    command = [sys.executable, "-P", "-m", "prefect", "worker", "start", "--pool", options.pool]
    if options.limit is not None:
        command += ["--limit", str(options.limit)]
    keep_running(command)
    return 0


def keep_running(command: list[str]) -> None:
    """Run a command again whenever it ends, until this process is told to stop."""
    stopping = False
    process: subprocess.Popen[bytes] | None = None

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    while not stopping:
        # A session of its own: Ctrl-C reaches the worker once, from here.
        process = subprocess.Popen(command, start_new_session=True, env=os.environ)
        code = process.wait()
        if not stopping:
            sys.stderr.write(f"worker: ended with {code}, is started again\n")
            time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
