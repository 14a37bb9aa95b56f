"""The words that ask for a summary, from the files in `configs/prompts/`. Knows no model and no template."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from configs.missions import Mission

PROMPTS_DIR = Path(__file__).parents[2] / "configs" / "prompts"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A system and a user text; the photo comes before the user text."""

    system: str
    user: str

    @property
    def digest(self) -> str:
        """sha256 (64 hex digits) of both texts; part of a photo's work key."""
        return hashlib.sha256(f"{self.system}\0{self.user}".encode()).hexdigest()


def summary_prompt(mission: Mission | None, folder: Path = PROMPTS_DIR) -> Prompt:
    """The prompt for one mission, or without any mission's focus if `mission` is None."""
    user = _read(folder / "summary_user.md")
    if mission is not None:
        focus = _read(folder / "summary_focus.md")
        user += "\n" + focus.replace("{mission}", mission.name).replace("{focus}", mission.focus)
    return Prompt(system=_read(folder / "summary_system.md"), user=user)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()
