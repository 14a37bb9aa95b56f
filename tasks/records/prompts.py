"""The words of a question, from the files in `configs/prompts/`. Knows no model, no template and no mission."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

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


def read_prompt(name: str, folder: Path = PROMPTS_DIR) -> Prompt:
    """The prompt of `<name>_system.md` and `<name>_user.md`."""
    return Prompt(system=read_part(f"{name}_system", folder), user=read_part(f"{name}_user", folder))


def read_part(name: str, folder: Path = PROMPTS_DIR) -> str:
    """The text of `<name>.md`, without white space around it."""
    return (folder / f"{name}.md").read_text(encoding="utf-8").strip()
