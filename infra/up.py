"""`python -m infra.up --site local`: server, deployments and a worker in one terminal, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from blocks import tether
from blocks.program import GO_ON, run_program
from configs.errors import ConfigError
from configs.proxies import reach_local_servers_directly
from infra.own_server import STOP_SECONDS, Listener, OwnServer, elsewhere_env, is_elsewhere, own_server, taken
from infra.sites import SITES

_START_SECONDS = 180.0


def main() -> int:
    """Command line; exit code 1 when a part does not start, 2 when the port is another's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", choices=SITES, default="local")
    site = parser.parse_args().site
    try:
        reach_local_servers_directly()
        own = own_server()
        if is_elsewhere(own):
            return _work(site, elsewhere_env(), f"the UI: {os.environ['PREFECT_API_URL'].removesuffix('/api')}")
        found = own.listener()
        if found is Listener.ANOTHER:
            sys.stderr.write(f"up: {taken(own)}\n")
            return 2
        if found is Listener.OURS:
            return _work(site, own.client_env(), _told(own))
        own.write_env_file()
        with _server(own) as up:
            if not up:
                sys.stderr.write(f"up: the Prefect server did not start; its files are in {own.home}\n")
                return 1
            return _work(site, own.client_env(), _told(own))
    except ConfigError as error:
        sys.stderr.write(f"up: {error}\n")
        return 2


@contextmanager
def _server(own: OwnServer) -> Iterator[bool]:
    """The server of this checkout; whether it is up."""
    process = tether.start(["blocks.guarded_server"], env=own.server_env(), output=subprocess.DEVNULL)
    try:
        yield _is_up(own, process)
    finally:
        tether.stop(process, STOP_SECONDS)


def _is_up(own: OwnServer, process: subprocess.Popen[bytes]) -> bool:
    waited = 0.0
    while waited < _START_SECONDS and process.poll() is None:
        if own.wait(1.0) is Listener.OURS:
            return True
        waited += 1.0
    return False


def _told(own: OwnServer) -> str:
    return f"the UI: {own.login_url()}\nup: for `prefect` and `fieldcheck` in another terminal: . {own.env_file}"


def _work(site: str, env: dict[str, str], told: str) -> int:
    """Deploy to a server that is up, and keep a worker until it is told to end."""
    deploying = tether.start(["blocks.program", "infra.deploy", "--site", site], env=env)
    try:
        if code := deploying.wait():
            return code
    finally:
        tether.stop(deploying, STOP_SECONDS)
    sys.stderr.write(f"up: {told}\nup: Ctrl-C ends server and worker\n")
    worker = tether.start(["blocks.program", "infra.worker", "--pool", site], env=env)
    try:
        return worker.wait()
    finally:
        tether.stop(worker, STOP_SECONDS)


if __name__ == "__main__":
    run_program(main, "up", GO_ON)
