"""Which Prefect server a process talks to. Knows no flow."""

from __future__ import annotations

from prefect.settings import get_current_settings

from blocks.embedded_server import is_embedded


def has_shared_server() -> bool:
    """Whether there is a server that others see too, and that is there after this process.

    Without one a server is started for the process, which has no history, no limits and nobody who listens.
    """
    url = get_current_settings().api.url
    return bool(url) and not is_embedded(str(url))
