"""The Prefect server of this checkout: its address, its password, and how a process finds and trusts it.

`python -m infra.own_server` starts it and stays; `--login` prints the link into its UI. One setting moves it to another
port, `PREFECT_SERVER_API_PORT` (`make ... PORT=4300`); one moves its files, `PREFECT_HOME` (default: `.prefect` here).
"""

from __future__ import annotations

import argparse
import http.client
import os
import secrets
import shlex
import stat
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import quote

from blocks import tether
from blocks.guard import LOGIN, PROOF, proof
from blocks.program import run_program
from configs.errors import ConfigError, Fault
from configs.proxies import reach_local_servers_directly

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
_USER = "fieldcheck"
_LEASES = "prefect.server.concurrency.lease_storage.filesystem"
_POLL_SECONDS = 0.2
STOP_SECONDS = 1.0
"""What has not ended by then is killed, which costs nothing: see `blocks.program`."""


class Listener(Enum):
    """Who listens on a port."""

    NOBODY = "nobody"
    OURS = "this checkout's server"
    ANOTHER = "another program"


@dataclass(frozen=True)
class OwnServer:
    """Where the server of this checkout is, or would be."""

    home: Path
    port: int

    @property
    def url(self) -> str:
        """Its API, as clients on this machine reach it."""
        return f"http://{HOST}:{self.port}/api"

    @property
    def env_file(self) -> Path:
        """What a person's shell reads to talk to it: `. .prefect/env`."""
        return self.home / "env"

    def password(self) -> str:
        """What it asks for, as user:password: one that was set, or its own, made once and for its user's eyes alone.

        Raises ConfigError when the file cannot be made, read or kept to its user.
        """
        if told := os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
            return told
        path = self.home / "password"
        try:
            self.home.mkdir(parents=True, mode=0o700, exist_ok=True)
            if not path.exists():
                _write_for_user(path, f"{_USER}:{secrets.token_urlsafe(32)}\n", replace=False)
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                path.chmod(0o600)
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            cure = "it must be a file that you own, or set PREFECT_HOME to another folder"
            raise ConfigError([Fault(str(path), f"cannot be used ({error.strerror})", cure)]) from error

    def login_url(self) -> str:
        """The UI, logged in. The part behind the # is sent to nobody."""
        return f"http://{HOST}:{self.port}{LOGIN}#{quote(self.password(), safe='')}"

    def listener(self) -> Listener:
        """Who listens on the port now; the password is not sent to find it out."""
        nonce = secrets.token_hex(16)
        try:
            # No library that would ask the environment for a proxy.
            connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
            connection.request("GET", f"{PROOF}?nonce={nonce}")
            answer = connection.getresponse().read(4096).decode("latin-1")
        except ConnectionRefusedError:
            return Listener.NOBODY
        except (OSError, http.client.HTTPException):
            return Listener.ANOTHER
        ours = secrets.compare_digest(answer.encode("latin-1"), proof(self.password(), nonce).encode())
        return Listener.OURS if ours else Listener.ANOTHER

    def wait(self, seconds: float) -> Listener:
        """Who listens, once anybody does, or the time is over."""
        until = time.monotonic() + seconds
        while (found := self.listener()) is Listener.NOBODY and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        return found

    def server_env(self) -> dict[str, str]:
        """The environment that the server is started with; what a person has set stays."""
        env = {name: value for name, value in os.environ.items() if name not in ("PREFECT_API_URL", "PREFECT_PROFILE")}
        ui_url = env.setdefault("PREFECT_UI_URL", f"http://{HOST}:{self.port}")  # for links in alerts
        env |= {
            "PREFECT_HOME": str(self.home),
            "PREFECT_SERVER_API_PORT": str(self.port),
            "PREFECT_SERVER_API_AUTH_STRING": self.password(),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        own = [f"http://{HOST}:{self.port}", f"http://localhost:{self.port}"]
        env.setdefault("PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS", ",".join(dict.fromkeys([*own, ui_url.rstrip("/")])))
        env.setdefault("PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED", "true")
        env.setdefault("PREFECT_SERVER_UI_API_URL", "/api")
        # In memory, leases would die with the server and leave their slots taken.
        env.setdefault("PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE", _LEASES)
        return env

    def client_env(self) -> dict[str, str]:
        """The environment of a process that talks to it."""
        told = {"PREFECT_API_URL": self.url, "PREFECT_API_AUTH_STRING": self.password(), "PREFECT_HOME": str(self.home)}
        return {**_common(), **told}

    def write_env_file(self) -> None:
        """Write what a shell reads, for its user's eyes alone."""
        told = {"PREFECT_API_URL": self.url, "PREFECT_API_AUTH_STRING": self.password()}
        text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in told.items())
        _write_for_user(self.env_file, text, replace=True)


def own_server() -> OwnServer:
    """The server of this checkout. Raises ConfigError for a port that is none."""
    home = Path(os.environ.get("PREFECT_HOME") or ROOT / ".prefect").expanduser().absolute()
    told = os.environ.get("PREFECT_SERVER_API_PORT") or "4200"
    if not (told.isascii() and told.isdecimal()) or not 0 < int(told) < 65536:
        raise ConfigError([Fault("PREFECT_SERVER_API_PORT", f"{told!r} is no port", "a number from 1 to 65535")])
    return OwnServer(home, int(told))


def is_elsewhere(own: OwnServer) -> bool:
    """Whether the environment names a server that is not this checkout's."""
    told = os.environ.get("PREFECT_API_URL") or own.url
    return told.rstrip("/").replace("//localhost:", f"//{HOST}:", 1) != own.url


def elsewhere_env() -> dict[str, str]:
    """The environment of a process that talks to a server of a team."""
    return _common()


def taken(own: OwnServer) -> str:
    """What a person is told when another program has the port."""
    return (
        f"port {own.port} is taken by another program, or by the Prefect server of another checkout: stop it, or give "
        f"server, deploy and worker a port of your own, such as PORT={own.port + 100}"
    )


def _common() -> dict[str, str]:
    return {**os.environ, "FIELDCHECK_HOME": os.environ.get("FIELDCHECK_HOME") or str(ROOT), "DO_NOT_TRACK": "1"}


def _write_for_user(path: Path, text: str, *, replace: bool) -> None:
    """A file of mode 600 that is there whole or not at all; one that is there is kept unless it is replaced."""
    path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if replace:
            os.replace(name, path)
        else:
            with suppress(FileExistsError):
                os.link(name, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def main() -> int:
    """Command line; stays until the server ends. Exit code 2 when the port is another's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--login", action="store_true", help="print the link into the UI of a server that runs")
    options = parser.parse_args()
    try:
        reach_local_servers_directly()
        own = own_server()
        found = own.listener()
        if options.login:
            return _login(own, found)
        if found is not Listener.NOBODY:
            runs = f"it runs already; its UI: {own.login_url()}"
            return _complain(runs if found is Listener.OURS else taken(own))
        own.write_env_file()
        env = own.server_env()
    except ConfigError as error:
        return _complain(str(error))
    sys.stderr.write(f"server: the UI, once it is up: {own.login_url()}\n")
    sys.stderr.write(f"server: for `prefect` and `fieldcheck` in another terminal: . {own.env_file}\n")
    process = tether.start(["blocks.guarded_server"], env=env)
    try:
        return process.wait()
    finally:
        tether.stop(process, STOP_SECONDS)


def _login(own: OwnServer, found: Listener) -> int:
    if found is not Listener.OURS:
        return _complain(taken(own) if found is Listener.ANOTHER else f"nobody listens on port {own.port}")
    sys.stdout.write(f"{own.login_url()}\n")
    return 0


def _complain(message: str) -> int:
    sys.stderr.write(f"server: {message}\n")
    return 2


if __name__ == "__main__":
    run_program(main, "server", "stopped")
