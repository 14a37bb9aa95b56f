"""The words that ask for a verdict, and for a second opinion on one. Knows no model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from tasks.records.guidance import Guidance
from tasks.records.prompts import PROMPTS_DIR, Prompt, read_prompt

VERDICT_LINES = ("Verdict: 通过", "Verdict: 不通过")
"""The first line of an answer, either way: what is scored."""


def judge_prompt(
    name: Literal["verdict", "critic"], mission: str, guidance: Guidance, folder: Path = PROMPTS_DIR
) -> Prompt:
    """System text, and the beginning of the user text that all tickets of a mission share: mission and guidance.

    The user text ends in a line end: a ticket's own part follows.
    """
    prompt = read_prompt(name, folder)
    user = prompt.user.replace("{mission}", mission).replace("{guidance}", guidance.lines)
    return replace(prompt, user=f"{user}\n")
