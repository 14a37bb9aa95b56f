"""`python -m infra.as_client infra.deploy --site local`: a module run as a client of this checkout's Prefect server.

It gives the module address and password, once the server has proved that it knows the password. Where
`PREFECT_API_URL` names another server, the environment is what the person says.
"""

from __future__ import annotations

import argparse
import os
import sys

from configs.errors import ConfigError
from configs.proxies import reach_local_servers_directly
from infra.own_server import Listener, elsewhere_env, is_elsewhere, own_server, taken


def main() -> int:
    """Command line; becomes the module. Exit code 2 when there is no server of this checkout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="for the server to be up")
    parser.add_argument("module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    name = options.module.rpartition(".")[2]
    try:
        reach_local_servers_directly()
        own = own_server()
        if is_elsewhere(own):
            env = elsewhere_env()
        else:
            found = own.wait(options.wait)
            if found is Listener.NOBODY:
                return _complain(name, f"no Prefect server answers at {own.url}; `make server` starts one")
            if found is Listener.ANOTHER:
                return _complain(name, taken(own))
            env = own.client_env()
    except ConfigError as error:
        return _complain(name, str(error))
    ours = ["blocks.program"] if options.module.startswith("infra.") else []
    return os.execve(sys.executable, [sys.executable, "-P", "-m", *ours, options.module, *options.arguments], env)


def _complain(name: str, message: str) -> int:
    sys.stderr.write(f"{name}: {message}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
