"""Tests of the one retry condition."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from blocks.errors import ObjectMissing, StoreUnavailable
from tasks.common.retry import is_retryable
from tasks.records.errors import DeviceOutOfMemory, EngineUnavailable, Unaccounted


@dataclass
class State:
    """A final state of a task, as far as the condition looks at it."""

    data: object


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (StoreUnavailable("timed out", uri="s3://b/k"), True),
        (EngineUnavailable("restarting"), True),
        (DeviceOutOfMemory("no memory"), True),
        (ObjectMissing("retry me, timeout, 503", uri="s3://b/k"), False),
        (Unaccounted("photo"), False),
        (TimeoutError("not ours"), False),
        (None, False),
    ],
)
def test_the_class_decides_and_not_the_message(error: object, again: bool) -> None:
    assert is_retryable(None, None, State(error)) is again
