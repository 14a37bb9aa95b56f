"""`python -m infra.up --site local`: server, deployments and a worker in one terminal, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from infra.sites import SITES

_START_SECONDS = 120.0
_STOP_SECONDS = 30.0


def main() -> int:
    """Command line; exit code 1 when a part does not start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", choices=SITES, default="local")
    site = parser.parse_args().site
    url = os.environ["PREFECT_API_URL"]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with server(url):
        if not wait_for(url):
            sys.stderr.write(f"up: no Prefect server at {url}\n")
            return 1
        if code := subprocess.run([sys.executable, "-P", "-m", "infra.deploy", "--site", site]).returncode:
            return code
        sys.stderr.write(f"up: {url.removesuffix('/api')} is the UI; Ctrl-C ends server and worker\n")
        worker = subprocess.Popen([sys.executable, "-P", "-m", "infra.worker", "--pool", site])
        try:
            return worker.wait()
        except KeyboardInterrupt:
            worker.terminate()  # Ctrl-C has reached it already, a plain kill has not
            return worker.wait(_STOP_SECONDS)


@contextmanager
def server(url: str) -> Iterator[None]:
    """A server at `url`, unless there is one."""
    if answers(url):
        yield
        return
    # A session of its own: Ctrl-C ends the worker first, and the server when the block ends.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "prefect", "server", "start"], start_new_session=True, stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)


def wait_for(url: str) -> bool:
    """Whether a server answers there before long."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if answers(url):
            return True
        time.sleep(0.5)
    return False


def answers(url: str) -> bool:
    """Whether a Prefect server answers at this API URL now."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
