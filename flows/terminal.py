"""A person's terminal: Prefect kept quiet, a progress bar, the last line on stdout, complaints. Knows no command."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from configs.errors import FieldcheckError, PrefectUnavailable


@contextmanager
def embedded() -> Iterator[None]:
    """Prefect made fit for a person's terminal; a server is started inside the process if none is configured."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    # The server inside takes some 15 seconds on two idle cores; on busy ones Prefect's own limit of 20 is too short.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # A busy disk makes the server inside log tracebacks of its own, about its own retries.
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    from prefect.logging.configuration import ensure_logging_setup

    ensure_logging_setup()
    for handler in logging.getLogger().handlers:
        handler.addFilter(_without_our_tracebacks)
    try:
        with _without_heartbeats():
            yield
    except Exception as error:
        if not _is_of_prefect_gone(error):
            raise
        raise PrefectUnavailable(
            f"the Prefect API does not answer ({type(error).__name__}): check PREFECT_API_URL and that the server is "
            "up, and run the same command again; what was summarised is kept"
        ) from error


@contextmanager
def _without_heartbeats() -> Iterator[None]:
    """A server inside has nobody who watches heartbeats, and each flow waits a second for its own to stop."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from blocks.server import has_shared_server

    if has_shared_server():
        yield
        return
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


def _without_our_tracebacks(record: logging.LogRecord) -> bool:
    """Errors of ours, and those of a server that is gone, say all that a person needs; the traceback stays in the logs
    that Prefect keeps."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and (isinstance(error, FieldcheckError) or _is_of_prefect_gone(error)):
        record.exc_info = record.exc_text = None
    return True


def _is_of_prefect_gone(error: BaseException | None) -> bool:
    """Whether Prefect's client raised this because it reached no server: it has several ways of saying so."""
    import httpx
    from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError

    while error is not None and not isinstance(error, FieldcheckError):
        if isinstance(error, httpx.HTTPError | ConcurrencySlotAcquisitionError):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def progress_bar() -> Iterator[Callable[[Any], None]]:
    """A bar on a terminal; elsewhere a plain line now and then."""
    from tasks.records.progress import Tick, throttled

    if not sys.stderr.isatty():

        def line(tick: Tick) -> None:
            sys.stderr.write(f"{tick.done}/{tick.total} photos, {tick.rate:.1f} a second\n")

        yield throttled(line, 5.0)
        return

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("photos", total=None, rate="")

        def show(tick: Tick) -> None:
            bar.update(task, completed=tick.done, total=tick.total, rate=f"{tick.rate:.1f} a second")

        yield show


def progress_line(text: str) -> None:
    """A line about what is going on, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def print_result(summary: dict[str, Any]) -> int:
    """The last line on stdout: one JSON object."""
    sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")
    sys.stdout.flush()
    return 0


def complain(message: str, code: int) -> int:
    """An error on stderr; gives the exit code back."""
    sys.stderr.write(f"fieldcheck: {message}\n")
    return code
