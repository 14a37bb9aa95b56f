"""The stores that the tests of publishing share. Knows no test."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.local_store import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path / "store")
