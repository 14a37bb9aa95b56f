"""Which Prefect server a process talks to. Knows no flow."""

from __future__ import annotations

from prefect.settings import get_current_settings


def has_shared_server() -> bool:
    """Whether there is a server that others see too, and that is there after this process.

    Without one Prefect starts a server inside the process, which has no history, no limits and nobody who listens.
    """
    return bool(get_current_settings().api.url)
