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
