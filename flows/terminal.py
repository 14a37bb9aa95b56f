"""A person's terminal: Prefect kept quiet, a progress bar, the last line on stdout, complaints. Knows no command."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from blocks.program import is_interrupted
from configs.errors import FieldcheckError, PrefectUnavailable
from configs.proxies import reach_local_servers_directly
from flows.printing import escape_logs, print_json, say


@contextmanager
def embedded() -> Iterator[None]:
    """Prefect made fit for a person's terminal; a server begins to start for the process if none is configured."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    reach_local_servers_directly()
    from prefect.logging.configuration import ensure_logging_setup

    from blocks.embedded_server import begin

    begin()
    ensure_logging_setup()
    escape_logs()
    for handler in logging.getLogger().handlers:
        handler.addFilter(_without_our_tracebacks)
    try:
        yield
    except Exception as error:
        if not _is_of_prefect_gone(error):
            raise
        raise PrefectUnavailable(_why(error)) from error


def _why(error: BaseException) -> str:
    """What a person can do about a Prefect API that could not be used."""
    if _status(error) == 401:
        return (
            "the Prefect API wants a password: say `. .prefect/env` where the server is this checkout's own, else set "
            "PREFECT_API_AUTH_STRING; then run the same command again"
        )
    return (
        f"the Prefect API does not answer ({type(error).__name__}): check PREFECT_API_URL and that the server is "
        "up, and run the same command again; what was summarised is kept"
    )


def _status(error: BaseException | None) -> int | None:
    """The HTTP status that ended a request, if one did."""
    import httpx

    while error is not None:
        if isinstance(error, httpx.HTTPStatusError):
            return error.response.status_code
        error = error.__cause__ or error.__context__
    return None


def _without_our_tracebacks(record: logging.LogRecord) -> bool:
    """Errors of ours, those of a server that is gone, and all after Ctrl-C, say what a person needs: the traceback
    stays in the logs that Prefect keeps."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and (isinstance(error, FieldcheckError) or is_interrupted() or _is_of_prefect_gone(error)):
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
    from tasks.common.progress import Tick, throttled

    if not sys.stderr.isatty():

        def line(tick: Tick) -> None:
            say(f"{tick.done}/{tick.total} {tick.noun}s, {tick.rate:.1f} a second\n")

        yield throttled(line, 5.0)
        return

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("photos", total=None, rate="")

        def show(tick: Tick) -> None:
            rate = f"{tick.rate:.1f} a second"
            bar.update(task, description=f"{tick.noun}s", completed=tick.done, total=tick.total, rate=rate)

        yield show


def progress_line(text: str) -> None:
    """A line about what is going on, on stderr."""
    say(f"{text}\n")


def print_result(summary: dict[str, Any]) -> int:
    """The last line on stdout: one JSON object."""
    print_json(summary)
    return 0


def complain(message: str, code: int) -> int:
    """An error on stderr; gives the exit code back."""
    say(f"fieldcheck: {message}\n")
    return code
