"""The words that ask for a dense caption. Knows no model."""

from __future__ import annotations

from pathlib import Path

from tasks.records.prompts import PROMPTS_DIR, Prompt, read_prompt


def dense_prompt(folder: Path = PROMPTS_DIR) -> Prompt:
    """The prompt for a dense caption; it is the same for every mission."""
    return read_prompt("dense", folder)
