"""Loads the fixtures that every folder of tests shares, and says which tests keep together. Knows no test."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["tests.servers", "tests.demo", "tests.deploy", "tests.merging", "tests.vllm"]

_TOGETHER = ("faults", "flows", "infra", "tasks/checkpoints", "tasks/engines", "tasks/dense")
"""Folders whose tests run in one process of several: what they share takes long to set up. All others are one more."""


class FolderScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hands each of `_TOGETHER` to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in _TOGETHER if nodeid.startswith(f"tests/{folder}/")), "others")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderScheduling | None:
    """The scheduler of `--dist loadgroup`: xdist's own knows no groups with pytest 9.2, which has other node ids.

    Folders come in their own order: by their number of tests, xdist's own way, the slowest would come last.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False
    return FolderScheduling(config, log)
