"""`python -m blocks.guarded_server`: Prefect's server behind the guard. Its settings are Prefect's own.

Prefect's `prefect server start` has nowhere to put a layer around its app; this does what that does in the foreground,
in one process. `--descriptor N` is a socket that listens already; `--no-ui` is a server for one other process.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import get_current_settings

from blocks.guard import Guard
from blocks.sqlite_turns import write_in_turns

_PATIENCE_SECONDS = 1
"""How long requests under way may take to end when the server does; websockets end only so."""


def main() -> None:
    """Command line: serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--descriptor", type=int, help="a socket that listens already")
    parser.add_argument("--no-ui", action="store_true", help="a server for one other process: no UI, fewer services")
    options = parser.parse_args()
    told = get_current_settings()
    api = told.server.api
    password = api.auth_string.get_secret_value() if api.auth_string else ""
    ui_url = os.environ.get("PREFECT_UI_URL", "")
    write_in_turns()
    guard = Guard(create_app(ephemeral=options.no_ui, final=True), ui_url, password)
    config = uvicorn.Config(
        guard,
        host=api.host,
        port=api.port,
        lifespan="on",
        timeout_keep_alive=api.keepalive_timeout,
        timeout_graceful_shutdown=_PATIENCE_SECONDS,
        ws_ping_interval=api.websocket_ping_interval,
        ws_ping_timeout=api.websocket_ping_timeout,
        log_level=told.server.logging_level.lower(),
        # The login link has no place in a log, nor who asked for what.
        access_log=False,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_no_end)
    sockets = [socket.socket(fileno=options.descriptor)] if options.descriptor is not None else None
    uvicorn.Server(config).run(sockets=sockets)


def _is_no_end(record: logging.LogRecord) -> bool:
    """That connections were cut when the server ended is no error of anybody's."""
    return "timeout graceful shutdown exceeded" not in record.getMessage()


if __name__ == "__main__":
    main()
