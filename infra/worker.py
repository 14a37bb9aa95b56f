"""`python -m infra.worker --pool local`: a Prefect worker that is started again when it dies. Knows no flow."""

from __future__ import annotations

import argparse
import sys
import time

from blocks import tether
from blocks.program import GO_ON, run_program
from infra.own_server import STOP_SECONDS

_PAUSE_SECONDS = 2.0


def main() -> int:
    """Command line; ends, with the worker, on SIGINT and SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", required=True, help="work pool to take runs from")
    parser.add_argument("--limit", type=int, help="most runs at a time")
    options = parser.parse_args()
    command = ["prefect", "worker", "start", "--pool", options.pool]
    if options.limit is not None:
        command += ["--limit", str(options.limit)]
    keep_running(command)
    return 0


def keep_running(command: list[str]) -> None:
    """Run a module's command again whenever it ends, until this process is told to stop."""
    while True:
        process = tether.start(command)
        try:
            code = process.wait()
        finally:
            tether.stop(process, STOP_SECONDS)
        sys.stderr.write(f"worker: ended with {code}, is started again\n")
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    run_program(main, "worker", GO_ON)
