"""Signs that no answer of a model may hold, whatever was asked. Knows no grammar."""

from __future__ import annotations

import re
from unicodedata import category

SPECIAL_TOKEN = re.compile(r"<\|[^|>]*\|>|</?(?:think|tool_call|tool_response|ref|box|quad)>")
"""A special token of Qwen's tokenizers, written out."""

LINE_END = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""What `str.splitlines` takes for the end of a line."""

REPLACEMENT = "\ufffd"
"""What stands where bytes were no UTF-8: a token of half a character that nothing followed."""

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""What shows nothing though its category is not Cf: the rest of Unicode's Default_Ignorable_Code_Point (variation
selectors, fillers, joiners), and the empty Braille pattern."""


def is_control(sign: str) -> bool:
    """Whether a character is a control character or half of a surrogate pair."""
    return category(sign) in {"Cc", "Cs"}


def is_format(sign: str) -> bool:
    """Whether a character shows nothing, or only changes how others are shown: zero-width signs, signs of direction,
    byte order marks, soft hyphens, variation selectors."""
    return category(sign) == "Cf" or _INVISIBLE.match(sign) is not None


def is_unassigned(sign: str) -> bool:
    """Whether nobody says what a character shows: private use, noncharacters, and what Unicode has not assigned.

    Han characters come anew with every release of Python: planes 2 and 3, which are theirs, count as assigned.
    """
    code = ord(sign)
    reserved = 0x2_0000 <= code <= 0x3_FFFF and code & 0xFFFE != 0xFFFE
    return category(sign) == "Co" or (category(sign) == "Cn" and not reserved)
