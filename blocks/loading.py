"""Loads saved Prefect blocks, and says in Fieldcheck's errors why one could not be. Knows no particular block."""

from __future__ import annotations

from typing import TypeVar, cast

import httpx
from prefect.blocks.core import Block

from blocks.embedded_server import server
from blocks.errors import StoreUnavailable
from configs.errors import ConfigError, Fault

B = TypeVar("B", bound=Block)


def load_block(kind: type[B], name: str) -> B:
    """The block of class `kind` saved as `name`, from code without an event loop of its own.

    Raises ConfigError when there is none or it does not fit its class, StoreUnavailable when the Prefect API fails,
    PrefectUnavailable when there is no server and none can be started.
    """
    where = f"block {kind.get_block_type_slug()}/{name}"
    try:
        with server():
            return cast(B, kind.load(name, _sync=True))  # type: ignore[call-arg]
    except httpx.HTTPError as error:
        message = f"the Prefect API gave no answer for the {where}: check PREFECT_API_URL and that the server is up"
        raise StoreUnavailable(message, uri=f"block://{name}") from error
    except ValueError as error:
        cure = f"save one with that name in the UI under Blocks, or with {kind.__name__}(...).save({name!r})"
        raise ConfigError([Fault(where, "is not saved, or does not fit its class any more", cure)]) from error
