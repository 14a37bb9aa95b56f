"""JSON as a model writes it: the value of a text, with nothing lost of what a dense caption's rules ask for.

Knows no rule about objects. Repeated keys are kept, and so are numbers that are no integers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tasks.dense.violations import Findings, Violation, quoted, shown
from tasks.records.special_tokens import SPECIAL_TOKEN

# A string that nothing ends reaches to the end of the text, so that no quote is looked at twice.
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
_JSON_SPACE = " \t\n\r"
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Pairs:
    """A JSON object: its keys as they came, repeated ones too, with their values."""

    items: list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written: no integer, or (`whole`) one with more digits than anything here has."""

    text: str
    whole: bool = False


def is_integer(value: Any) -> bool:
    """Whether a JSON value is an integer; true is one to Python, and 3.0 to others."""
    return type(value) is int or (isinstance(value, Number) and value.whole)


def _integer(text: str) -> int | Number:
    return int(text) if len(text) <= _MOST_DIGITS else Number(text, whole=True)


# Line ends within strings are let through here: the rule about descriptions says where they stand.
_JSON = json.JSONDecoder(
    object_pairs_hook=Pairs, parse_int=_integer, parse_float=Number, parse_constant=Number, strict=False
)


def read_json(text: str, found: Findings) -> Any:
    """The JSON value of a text: str, int, bool, None, list, Pairs or Number.

    Of a text that has something around a JSON object, that object; what is around it is a violation. None, with a
    violation, if there is no JSON. Takes time in proportion to the text.
    """
    try:
        return _JSON.decode(text)
    except (ValueError, RecursionError):
        start = text.find("{")
    if start < 0:
        found.add("", Violation.NOT_JSON, f"no JSON object in {quoted(text)}")
        return None
    _note_around(text[:start], "before", found)
    try:
        value, end = _JSON.raw_decode(text, start)
    except RecursionError:
        found.add("", Violation.NOT_JSON, "nested too deeply")
        return None
    except json.JSONDecodeError as error:
        place = f"at {quoted(text[error.pos :])}" if error.pos < len(text) else "at the end"
        found.add("", Violation.NOT_JSON, f"{error.msg} {place}, after {error.pos} of {len(text)} characters")
        return None
    _note_around(text[end:], "after", found)
    return value


def _note_around(text: str, where: str, found: Findings) -> None:
    """Name what stands before or after the JSON object."""
    text = text.strip(_JSON_SPACE)
    signs = {Violation.CODE_FENCE: "```" in text, Violation.SPECIAL_TOKEN: SPECIAL_TOKEN.search(text) is not None}
    for violation in [sign for sign, met in signs.items() if met] or [Violation.TEXT_AROUND] * bool(text):
        found.add("", violation, f"{quoted(text)} {where} the JSON object")


def count_whole(text: str) -> int:
    """How many members of the outermost JSON object were complete when the text ended."""
    depth = whole = 0
    for match in _BRACKETS.finditer(text):
        if match[0] in "{[":
            depth += 1
        elif match[0] in "]}":
            depth -= 1
            whole += depth == 1
    return whole


def told(value: Any) -> str:
    """A JSON value in a violation's words."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Number):
        return shown(value.text)
    if isinstance(value, Pairs):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else str(value).lower()
