"""Guidance: the rules of a mission that people own, as a run reads them. Knows no store."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from pydantic import Field, field_validator

from configs.judge import RuleText
from tasks.records.base import Record
from tasks.records.jsonl import canonical


class Rule(Record):
    """One rule: its key, as the prompt shows it, and its text. Only active rules are shown."""

    key: str = Field(pattern=r"^G(0|[1-9][0-9]{0,3})$")
    text: RuleText
    status: Literal["active", "paused"] = "active"


class Guidance(Record):
    """All rules of a mission, by their keys in natural order: `G2` before `G10`."""

    rules: tuple[Rule, ...] = Field(min_length=1, max_length=24)

    @field_validator("rules")
    @classmethod
    def _sort(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        if len({rule.key for rule in rules}) < len(rules):
            raise ValueError("two rules have the same key: give each a key of its own")
        return tuple(sorted(rules, key=lambda rule: int(rule.key[1:])))

    @property
    def digest(self) -> str:
        """sha256 (64 hex digits) of the active rules in canonical JSON: what the model is shown."""
        shown = [[rule.key, rule.text] for rule in self.active]
        return hashlib.sha256(canonical(shown).encode()).hexdigest()

    @property
    def active(self) -> tuple[Rule, ...]:
        """The rules that are shown."""
        return tuple(rule for rule in self.rules if rule.status == "active")

    @property
    def lines(self) -> str:
        """The active rules as the prompt has them, a line each."""
        return "\n".join(f"[{rule.key}] {rule.text}" for rule in self.active)


def guidance_of(rules: tuple[str, ...]) -> Guidance:
    """Rules by their texts, with the keys G0, G1 and so on."""
    return Guidance(rules=tuple(Rule(key=f"G{number}", text=text) for number, text in enumerate(rules)))


def seed_guidance(requires: tuple[str, ...]) -> Guidance:
    """`G0`, made of what a mission requires: what is there before anybody has written a rule."""
    return Guidance(rules=(Rule(key="G0", text="；".join(re.sub(r"[；;]+$", "", one) for one in requires)),))
