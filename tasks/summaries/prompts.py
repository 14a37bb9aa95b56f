"""The words that ask for a summary: the prompt that all missions share, and a mission's focus. Knows no model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from configs.missions import Mission
from tasks.records.prompts import PROMPTS_DIR, Prompt, read_part, read_prompt


def summary_prompt(mission: Mission | None, folder: Path = PROMPTS_DIR) -> Prompt:
    """The prompt for one mission, or without any mission's focus if `mission` is None."""
    prompt = read_prompt("summary", folder)
    if mission is None:
        return prompt
    focus = read_part("summary_focus", folder).replace("{mission}", mission.name).replace("{focus}", mission.focus)
    return replace(prompt, user=f"{prompt.user}\n{focus}")
