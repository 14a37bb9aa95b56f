"""The grammar of a candidate's answer: read it, and name every rule that a text breaks. Knows no model, no photo.

    answer      = "Verdict: " verdict LF "Reason: " reason LF "Confidence: " confidence
    verdict     = "通过" | "不通过"
    reason      = clause *( "；" clause )
    clause      = claim [ "（" cites "）" ]
    cites       = "全部" | image *( "," image )
    image       = "image_" number               a photo, numbered as in the prompt
    number      = "1".."9" *3digit
    claim       = 1*sign                         at least one letter or digit in the whole reason
    confidence  = "0." 2digit | "1.00"

Three lines, nothing before, between or behind them, no special token, no sign that nobody sees. Nothing is repaired:
an answer that breaks a rule has no verdict, no reason and no vote. One rule is milder: with a bad confidence the vote
counts, and only the confidence is unknown.

What a clause cites is read here and checked elsewhere. Other forms of citation, such as `（image_0）`, `（image_01）`,
`(image_1)` or `（image_1、image_2）`, are part of the claim, which then cites nothing. The number of a photo that does
not exist is kept: the check will not find it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tasks.records.special_tokens import (
    LINE_END,
    REPLACEMENT,
    SPECIAL_TOKEN,
    is_control,
    is_format,
    is_unassigned,
)
from tasks.records.verdicts import Clause, Verdict

ANSWERS_VERSION = 1
"""Part of what a judge is: raise it when any text is read otherwise than before."""

ALL = "全部"
"""What a clause cites that speaks of all photos, such as one that says what none of them shows."""

_LABELS = ("Verdict", "Reason", "Confidence")
_LINE = re.compile(rf"({'|'.join(_LABELS)}):(?: (.*))?")
_NUMBER = r"image_[1-9][0-9]{0,3}"
_CITED = re.compile(rf"(.+)（({ALL}|{_NUMBER}(?:,{_NUMBER})*)）")
_PHOTO = re.compile(rf"(?<![A-Za-z0-9_]){_NUMBER}(?![0-9])")
_BRACKETS = re.compile(r"（[^（）]*）")
_CONFIDENCE = re.compile(r"0\.[0-9]{2}|1\.00")


class Violation(StrEnum):
    """One rule of the grammar that an answer breaks."""

    CUT_OFF = "cut_off"
    """The token limit ended the answer, not the model."""
    MISSING_LINE = "missing_line"
    """One of the three lines is not there, or not in its place."""
    EXTRA_LINE = "extra_line"
    """A line that is none of the three, or one of them twice; an empty line counts."""
    BAD_VERDICT = "bad_verdict"
    """Neither 通过 nor 不通过, or something beside it."""
    EMPTY_REASON = "empty_reason"
    """A reason that claims nothing."""
    BAD_CONFIDENCE = "bad_confidence"
    """No number from 0.00 to 1.00 with two decimals. The vote counts all the same."""
    BOTH_VERDICTS = "both_verdicts"
    SPECIAL_TOKEN = "special_token"
    INVISIBLE_SIGN = "invisible_sign"
    """A sign that nobody sees or knows: control, zero-width, unassigned, half of a character, a strange line end."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says, and the rules that it breaks, each once. An answer without a vote says nothing.

    A clause's `text` is its claim, without the brackets that were read. Until it is checked it counts as uncited.
    """

    verdict: Verdict | None
    reason: str | None
    clauses: tuple[Clause, ...]
    confidence: float | None
    violations: tuple[Violation, ...]


def read(text: str, *, cut_off: bool = False) -> Reading:
    """Read an answer. Never raises; `cut_off` tells that the token limit ended the text."""
    lines = [_LINE.fullmatch(line) for line in text.split("\n")] if text else []
    labels = [line[1] if line else None for line in lines]
    values = {label: [line[2] or "" for line in lines if line and line[1] == label] for label in _LABELS}
    verdict, reason, confidence = ((found or [""])[0] for found in values.values())
    ordered = [label for label in labels if label]
    rules = (
        (Violation.CUT_OFF, cut_off),
        (Violation.MISSING_LINE, list(dict.fromkeys(ordered)) != list(_LABELS)),
        (Violation.EXTRA_LINE, None in labels or len(set(ordered)) < len(ordered)),
        (Violation.BAD_VERDICT, bool(values["Verdict"]) and verdict not in set(Verdict)),
        (Violation.EMPTY_REASON, bool(values["Reason"]) and not _claims(reason)),
        (Violation.BAD_CONFIDENCE, bool(values["Confidence"]) and not _CONFIDENCE.fullmatch(confidence)),
        (Violation.BOTH_VERDICTS, _both("\n".join(values["Verdict"]))),
        (Violation.SPECIAL_TOKEN, bool(SPECIAL_TOKEN.search(text))),
        (Violation.INVISIBLE_SIGN, any(map(_is_invisible, text))),
    )
    violations = tuple(violation for violation, broken in rules if broken)
    if set(violations) - {Violation.BAD_CONFIDENCE}:
        return Reading(None, None, (), None, violations)
    sure = None if violations else float(confidence)
    return Reading(Verdict(verdict), reason, read_reason(reason), sure, violations)


def read_reason(reason: str) -> tuple[Clause, ...]:
    """The clauses of a reason, in order, not checked yet. A photo that a clause names twice is cited once."""
    return tuple(_clause(part) for part in reason.split("；"))


def renumbered(reading: Reading, keys: Sequence[str]) -> Reading:
    """The same reading with the ticket's own keys of photos: `image_1` of the prompt becomes `keys[0]`.

    A number that the prompt does not have stays: a ticket has the same numbers, so it names no photo there either.
    """
    if reading.reason is None:
        return reading
    reason = with_keys(reading.reason, keys)
    return replace(reading, reason=reason, clauses=read_reason(reason))


def with_keys(text: str, keys: Sequence[str]) -> str:
    """A text that names photos as the prompt does, with the ticket's own keys of photos in their place."""
    own = {f"image_{number}": key for number, key in enumerate(keys, start=1)}
    return _PHOTO.sub(lambda found: own.get(found[0], found[0]), text)


def _clause(part: str) -> Clause:
    found = _CITED.fullmatch(part)
    if found is None:
        return Clause(text=part, cites=(), check="uncited")
    return Clause(text=found[1], cites=tuple(dict.fromkeys(found[2].split(","))), check="uncited")


def _claims(reason: str) -> bool:
    """Whether a reason says anything beside what it cites."""
    return any(map(str.isalnum, _BRACKETS.sub("", reason)))


def _both(verdicts: str) -> bool:
    return Verdict.FAIL in verdicts and Verdict.PASS in verdicts.replace(Verdict.FAIL, "")


def _is_invisible(sign: str) -> bool:
    if sign == "\n":
        return False
    odd = sign == REPLACEMENT or LINE_END.match(sign) is not None
    return odd or is_control(sign) or is_format(sign) or is_unassigned(sign)
