"""Prefect as it is for a person's terminal."""

from __future__ import annotations

import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    get_current_settings,
    temporary_settings,
)

from flows.terminal import embedded


@pytest.mark.parametrize(("url", "kept"), [(None, None), ("http://127.0.0.1:1/api", 77)])
def test_heartbeats_are_for_servers_that_others_watch(url: str | None, kept: int | None) -> None:
    with temporary_settings({PREFECT_API_URL: url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 77}):
        with embedded():
            assert get_current_settings().flows.heartbeat_frequency == kept
        assert get_current_settings().flows.heartbeat_frequency == 77
