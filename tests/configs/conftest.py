"""A quiet place for configurations: an empty working directory and no setting in the environment. Knows no test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.builders import make_given


@pytest.fixture(autouse=True)
def _quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env`, and no `FIELDCHECK_` variable of whoever runs the tests."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in list(os.environ):
        if name.upper().startswith("FIELDCHECK_"):
            monkeypatch.delenv(name)


@pytest.fixture
def told(tmp_path: Path) -> dict[str, Any]:
    """All that a Stage-A run must be told, and nothing wrong with it."""
    return make_given(tmp_path)
