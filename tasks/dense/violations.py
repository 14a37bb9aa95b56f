"""The rules that a dense caption can break, and the list of those that one breaks. Knows no JSON."""

from __future__ import annotations

from enum import StrEnum

from tasks.records.errors import CaptionInvalid
from tasks.records.photos import on_one_line

MOST_LISTED = 50
"""Violations that are spelled out; of the others the number is told."""

_MOST_QUOTED = 40


class Violation(StrEnum):
    """One rule that a dense caption breaks. The names are stable: reports count them."""

    LENGTH = "length"
    """The token limit ended the answer, not the model."""
    NOT_JSON = "not_json"
    CODE_FENCE = "code_fence"
    SPECIAL_TOKEN = "special_token"
    """In a description, or around the JSON object."""
    TEXT_AROUND = "text_around"
    """Anything else before or after the JSON object."""
    NOT_AN_OBJECT = "not_an_object"
    """The whole, or what stands under one name, is JSON but no JSON object."""
    DUPLICATE_KEY = "duplicate_key"
    OBJECT_NAME = "object_name"
    """A name other than object_N; N has no leading zero and no other digits than 0 to 9."""
    OBJECT_NUMBER = "object_number"
    """A number left out, or names not in numeric order."""
    UNKNOWN_KEY = "unknown_key"
    DESC_MISSING = "desc_missing"
    DESC_TYPE = "desc_type"
    """A description that is no string."""
    DESC_EMPTY = "desc_empty"
    DESC_SPACE = "desc_space"
    """White space around a description."""
    DESC_LINES = "desc_lines"
    """A description of more than one line."""
    DESC_UNPRINTABLE = "desc_unprintable"
    """What nobody sees or knows: control and format characters, variation selectors, lone surrogates, private use, and
    spaces other than the ASCII one."""
    DESC_REPLACEMENT = "desc_replacement"
    """U+FFFD: the model wrote half of a character."""
    GEOMETRY_MISSING = "geometry_missing"
    GEOMETRY_SEVERAL = "geometry_several"
    LINE_POINTS_MISSING = "line_points_missing"
    LINE_POINTS_UNWANTED = "line_points_unwanted"
    """`line_points` of an object that has no line."""
    LINE_POINTS_WRONG = "line_points_wrong"
    """Not the number of points, or no integer at all."""
    POINTS_TYPE = "points_type"
    """A geometry that is no list, or a pair of other than two values."""
    POINTS_MIXED = "points_mixed"
    """Single values and pairs in one list."""
    POINTS_ODD = "points_odd"
    """An x without its y."""
    POINTS_COUNT = "points_count"
    """Not two points of a box, or fewer than four of a polygon or two of a line."""
    COORDINATE_TYPE = "coordinate_type"
    """No integer; 3.0 is none either."""
    COORDINATE_RANGE = "coordinate_range"
    """An integer outside 0..1000."""
    BBOX_ORDER = "bbox_2d_order"
    """A box's first point is not above and left of its second."""
    ORDER = "order"
    """An object that belongs before the one that stands before it."""


class Findings:
    """The violations of one caption, in the order in which they were met."""

    def __init__(self) -> None:
        self._listed: list[str] = []
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._listed)

    def add(self, where: str, violation: Violation, what: str) -> None:
        """Note a violation; `where` is the object's name, or empty for the caption as a whole."""
        if len(self._listed) < MOST_LISTED:
            self._listed.append(": ".join(filter(None, (where, violation.value, what))))
        else:
            self._more += 1

    def error(self) -> CaptionInvalid:
        """The error that carries them all."""
        return CaptionInvalid((*self._listed, *([f"and {self._more} more"] if self._more else [])))


def quoted(text: str) -> str:
    """The start of a text that a model wrote, between quotes."""
    return f'"{shown(text)}"'


def shown(text: str) -> str:
    """The start of a text that a model wrote, on one line."""
    return on_one_line(text[:_MOST_QUOTED]) + ("..." if len(text) > _MOST_QUOTED else "")
