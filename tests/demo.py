"""Fixtures: the demo's checkpoint, adapter and photos, prepared once and kept between runs of the suite."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.demo.prepare import prepare

KEPT = Path(__file__).parents[1] / ".cache" / "demo"


@dataclass(frozen=True)
class Demo:
    """Folders of the prepared demo."""

    root: Path

    @property
    def checkpoint(self) -> str:
        """The expanded checkpoint."""
        return str(self.root / "checkpoint")

    @property
    def judge(self) -> str:
        """The checkpoint that judges."""
        return str(self.root / "judge")

    @property
    def adapter(self) -> str:
        """The LoRA adapter."""
        return str(self.root / "adapter")

    @property
    def photos(self) -> str:
        """The missions' photos."""
        return str(self.root / "photos")

    @property
    def answers(self) -> str:
        """The answer key of the base checkpoint."""
        return str(self.root / "photos" / "answer_key.json")

    @property
    def adapter_answers(self) -> str:
        """The answer key of base and adapter together."""
        return str(self.root / "photos" / "answer_key_adapter.json")


@pytest.fixture(scope="session")
def demo() -> Demo:
    """The prepared demo."""
    KEPT.parent.mkdir(exist_ok=True)
    with (KEPT.parent / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # for the processes of one suite
        prepare(KEPT)
    return Demo(KEPT)
