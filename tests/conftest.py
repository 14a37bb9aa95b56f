"""Loads the fixtures that every folder of tests shares, and says which tests keep together. Knows no test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

pytest_plugins = ["tests.servers", "tests.demo", "tests.deploy", "tests.merging", "tests.vllm"]

_TESTS = Path(__file__).parent
_TOGETHER = ("faults", "flows", "infra", "tasks/checkpoints", "tasks/engines", "tasks/dense")
"""Folders whose tests run in one process of several: what they share takes long to set up. All others are one more."""


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Tell xdist what keeps together, for `--dist loadgroup`."""
    for item in items:
        place = item.path.relative_to(_TESTS).as_posix()
        found = (folder for folder in _TOGETHER if place.startswith(folder))
        item.add_marker(pytest.mark.xdist_group(next(found, "others")))
