"""When trying again can help: the one condition that all task wrappers share. Knows Prefect's states by shape only."""

from __future__ import annotations

from typing import Any, Protocol


class _State(Protocol):
    data: Any


def is_retryable(task: object, task_run: object, state: _State) -> bool:
    """Prefect's `retry_condition_fn`: whether the error that ended a task says that trying again can help.

    Reads the `retryable` attribute of the error's class and never its message; an error that is not ours is not
    retried.
    """
    return bool(getattr(state.data, "retryable", False))


RETRIED: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": [2, 8, 30],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": is_retryable,
    "persist_result": False,
}
"""Options of every task that talks to a store: three more tries, seconds apart, where trying again can help."""

INFERRING: dict[str, Any] = {**RETRIED, "retry_delay_seconds": [2, 10, 60]}
"""Options of every task that runs a model: its device may need a while."""
