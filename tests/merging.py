"""One real merge of the demo's adapter, which the tests of a session share. Knows no test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from configs.parts import MergeConfig, ModelConfig
from tasks.checkpoints.merge import Merged, merge
from tests.demo import Demo


@dataclass(frozen=True)
class Merging:
    """A merge that was made: what was asked, what was said, and what came of it."""

    model: ModelConfig
    config: MergeConfig
    merged: Merged
    lines: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The merged checkpoint."""
        return Path(self.merged.path)


@pytest.fixture(scope="session")
def merging(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Merging:
    """The demo's adapter, merged by ms-swift and compared on four of the demo's photos."""
    model = ModelConfig(base=demo.checkpoint, adapters=(demo.adapter,))
    config = MergeConfig(root=str(tmp_path_factory.mktemp("merged")), probes=4, probe_photos=demo.photos)
    lines: list[str] = []
    merged = merge(model, config, "cpu", lines.append)
    return Merging(model, config, merged, tuple(lines))
