"""A Prefect server for one process, where none is configured. Knows no flow.

It listens before it is started, on a port that nobody else can take, asks for a password that only this process knows,
and ends with the process, however that ends. It has a session of its own: the Ctrl-C that ends a run is told to it.
"""

from __future__ import annotations

import atexit
import http.client
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

import prefect.context
from prefect.settings import get_current_settings, temporary_settings

from blocks import tether
from configs.errors import PrefectUnavailable
from configs.proxies import reach_local_servers_directly

HOST = "127.0.0.1"
_START_SECONDS = 180.0
"""It takes some 15 seconds on two idle cores."""
_STOP_SECONDS = 2.0
_POLL_SECONDS = 0.05

_MARK = "PREFECT__FIELDCHECK_EMBEDDED"
"""Variable that names the embedded server's address to this process and its children."""


@dataclass
class _Server:
    process: subprocess.Popen[bytes]
    port: int
    password: str
    errors: IO[bytes]
    parent: int
    ready: bool = False

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/api"


_running: list[_Server] = []
"""The server of this process, if it has begun to start."""


def is_embedded(url: str) -> bool:
    """Whether a server with this API URL is that of this process, or of the one that started it."""
    return os.environ.get(_MARK) == url


def has_shared_server() -> bool:
    """Whether there is a server that others see too, and that is there after this process.

    Without one a server is started for the process, which has no history, no limits and nobody who listens.
    """
    url = get_current_settings().api.url
    return bool(url) and not is_embedded(str(url))


def begin() -> None:
    """Begin to start a server, and do not wait for it. Does nothing where one is configured or has begun."""
    if _is_configured() or (_running and _running[0].process.poll() is None):
        return
    _forget()
    _running.append(_start())
    atexit.register(stop)


@contextmanager
def server() -> Iterator[None]:
    """A server to talk to, for whoever calls a flow: the one that is configured, or this process's own.

    Raises PrefectUnavailable if it does not start, ConfigError for a proxy that no client can use. It runs on until the
    process ends, and serves the next call.
    """
    reach_local_servers_directly()
    if _is_configured():
        yield
        return
    begin()
    (running,) = _running
    _await(running)
    if not is_embedded(running.url):
        os.environ.update({"PREFECT_API_URL": running.url, "PREFECT_API_AUTH_STRING": running.password})
        os.environ[_MARK] = running.url
        # Prefect's threads have no context of their own: they see the settings of the process.
        prefect.context.refresh_global_settings_context()
    settings = {
        "api.url": running.url,
        "api.auth_string": running.password,
        # It has no UI to link to.
        "ui_url": "",
        # Nobody watches heartbeats here, and each flow would wait a second for its own to stop.
        "flows.heartbeat_frequency": None,
    }
    with temporary_settings(settings):
        yield


def stop() -> None:
    """End this process's server."""
    for one in _running:
        if one.parent == os.getpid():  # and not one that was forked off
            tether.stop(one.process, _STOP_SECONDS)
    _forget()


def _is_configured() -> bool:
    """Whether there is a server that this process has not started."""
    url = get_current_settings().api.url
    return bool(url) and not (_running and url == _running[0].url)


def _forget() -> None:
    while _running:
        _running.pop().errors.close()


def _start() -> _Server:
    password = f"fieldcheck:{secrets.token_urlsafe(24)}"
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        listening.listen(128)
        port = listening.getsockname()[1]
        told = {**os.environ, **get_current_settings().to_environment_variables(exclude_unset=True)}
        env = {
            **{name: value for name, value in told.items() if name not in ("PREFECT_API_URL", "PREFECT_UI_URL")},
            "PREFECT_API_AUTH_STRING": password,
            "PREFECT_SERVER_API_AUTH_STRING": password,
            "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port}",
            "PREFECT_SERVER_UI_ENABLED": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            # A busy disk makes it log tracebacks about its own retries.
            "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        }
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - read when it does not start
        words = ["blocks.guarded_server", "--no-ui", "--descriptor", str(listening.fileno())]
        process = tether.start(words, env=env, output=errors, errors=errors, descriptors=[listening.fileno()])
    return _Server(process, port, password, errors, os.getpid())


def _await(running: _Server) -> None:
    until = time.monotonic() + _START_SECONDS
    while not running.ready and running.process.poll() is None and time.monotonic() < until:
        with suppress(OSError, http.client.HTTPException):
            # No library that would ask the environment for a proxy.
            connection = http.client.HTTPConnection(HOST, running.port, timeout=max(1.0, until - time.monotonic()))
            connection.request("GET", "/api/health")
            running.ready = connection.getresponse().status == 200
            connection.close()
        time.sleep(_POLL_SECONDS)
    if not running.ready:
        raise PrefectUnavailable(f"the Prefect server inside this process did not start: {_last_words(running)}")


def _last_words(running: _Server) -> str:
    running.errors.seek(0)
    lines = [line for line in running.errors.read().decode(errors="replace").splitlines() if line.strip()]
    cure = f"look at PREFECT_HOME ({get_current_settings().home}), or set PREFECT_API_URL to a server that runs"
    return f"{lines[-1].strip()[:300] if lines else 'it said nothing'}; {cure}"
