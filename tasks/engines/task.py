"""Prefect's view of engines: a server is looked at before any photo is; what engines warn of is in the run's log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.api_key import api_key
from configs.parts import EndpointConfig
from tasks.common.retry import RETRIED
from tasks.engines.endpoint_opening import check_endpoint

_telling = threading.Lock()


@contextmanager
def warnings_in_run() -> Iterator[None]:
    """Whatever engines warn of within the block, from any thread, goes to the run's log, and so into Prefect's UI.

    Of several such blocks at a time, for several devices, the first has it all.
    """
    if not _telling.acquire(blocking=False):
        yield
        return
    engines, handler = logging.getLogger(__package__), _ToRun()
    engines.addHandler(handler)
    engines.propagate = False  # else the terminal had each line twice
    try:
        yield
    finally:
        engines.propagate = True
        engines.removeHandler(handler)
        _telling.release()


class _ToRun(logging.Handler):
    """Hands records on to the log of the run that made it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._log = get_run_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """To the run's log, as one line."""
        self._log.log(record.levelno, "%s", record.getMessage())


@task(name="check-server", cache_policy=NO_CACHE, **RETRIED)
def check_server(config: EndpointConfig) -> None:
    """Ask an endpoint's server what it serves.

    Raises EndpointRefused if that is not what is asked of it (another model, a URL without `/v1`, a key that it
    refuses), EngineGivenUp or EngineError if it gives no answer.
    """
    with warnings_in_run():
        server = check_endpoint(config, api_key(config))
    length = f"{server.max_model_len} tokens at most" if server.max_model_len else "no word of its longest request"
    base = f", an adapter on {server.model.parent}" if server.model.parent else ""
    owner = server.owner or "a server that does not say what it is"
    get_run_logger().info("%s serves %s%s (%s; %s)", config.url, server.model.id, base, owner, length)
