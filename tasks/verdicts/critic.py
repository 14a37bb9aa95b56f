"""The critic: the same model, asked for a second opinion on the winner. It sees no votes, no score and no label.

It answers with one line of JSON that has exactly these six keys, each once, in any order:

    {"summary": "…", "critique": "…", "verdict": "通过|不通过", "needs_recheck": false,
     "evidence_sufficiency": true, "recommended_action": "通过|不通过|人工复核"}

An answer that is anything else is unreadable, and that is a fact like others: the verdict stands, unless the critic of
the run as a whole cannot be read. A critic can only send a ticket to a person: it never changes a verdict.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from tasks.records.special_tokens import LINE_END, SPECIAL_TOKEN
from tasks.records.verdicts import CriticReading, Decision, ReviewReason, Verdict

CRITIC_VERSION = 1
"""Part of what a judge is: raise it when any text is read otherwise than before."""

_TEXTS = ("summary", "critique")
_BOOLEANS = ("needs_recheck", "evidence_sufficiency")
_CHOICES = {"verdict": Verdict, "recommended_action": Decision}
_KEYS = {*_TEXTS, *_BOOLEANS, *_CHOICES}
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNREADABLE = CriticReading(format_ok=False)


def candidate_text(answer: str) -> str:
    """What follows a ticket in the critic's prompt: the winner's three lines, as the model wrote them.

    Photos are numbered as in the prompt. An answer that votes has no special token in it, so none comes in here.
    """
    return f"\n候选判定：\n{answer}"


def read_critic(text: str, *, cut_off: bool = False) -> CriticReading:
    """Read what the critic said. Never raises; `cut_off` tells that the token limit ended the text."""
    if cut_off or LINE_END.search(text) or SPECIAL_TOKEN.search(text):
        return _UNREADABLE
    try:
        told = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return _UNREADABLE
    if not isinstance(told, dict) or set(told) != _KEYS:
        return _UNREADABLE
    texts = all(isinstance(told[key], str) and not _SURROGATE.search(told[key]) for key in _TEXTS)
    booleans = all(isinstance(told[key], bool) for key in _BOOLEANS)
    choices = all(isinstance(told[key], str) and told[key] in set(kind) for key, kind in _CHOICES.items())
    return CriticReading(format_ok=True, **told) if texts and booleans and choices else _UNREADABLE


def mostly_unreadable(readings: Iterable[CriticReading], share: float = 0.5) -> bool:
    """Whether at least this share, 0 to 1, of all that the critic was asked in a run could not be read."""
    asked = list(readings)
    unread = sum(not reading.format_ok for reading in asked)
    return unread > 0 and unread >= share * len(asked)


def flags(reading: CriticReading, proposed: Verdict) -> set[ReviewReason]:
    """For which reasons the critic sends this verdict to a person; an unreadable critic says nothing.

    It asks for a look when it says so, when its verdict is the other one, or when it recommends anything but the
    verdict: also when it contradicts itself.
    """
    if not reading.format_ok:
        return set()
    found = set()
    if reading.needs_recheck or {str(reading.verdict), str(reading.recommended_action)} != {str(proposed)}:
        found.add(ReviewReason.CRITIC_ASKS)
    if not reading.evidence_sufficiency:
        found.add(ReviewReason.EVIDENCE_INSUFFICIENT)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) < len(pairs):
        raise ValueError("a key stands twice")
    return told
