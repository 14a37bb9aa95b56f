"""The rules of a dense caption: a text is one, or every rule that it breaks is named. Knows no model and no photo.

Nothing is repaired: what is not exactly a caption's JSON is told, not mended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from tasks.dense.caption import KINDS, Caption, DenseObject, Geometry
from tasks.dense.geometry import anchor
from tasks.dense.points import read_geometry, read_points
from tasks.dense.reading import Pairs, count_whole, is_integer, read_json, told
from tasks.dense.violations import Findings, Violation, quoted
from tasks.records.special_tokens import LINE_END, REPLACEMENT, SPECIAL_TOKEN, is_format

PARSE_VERSION = 1
"""Part of a photo's work key: raise it when a text that was refused is accepted. A stricter rule does not: a stored
caption is judged again whenever it is read, and what breaks a rule of today is rejected; the model is not asked again.
"""

_KEYS = ("desc", "line_points", *KINDS)
_NAME = re.compile(r"object_([1-9][0-9]{0,8})")


def parse_caption(text: str, finish_reason: Literal["stop", "length"] = "stop") -> Caption:
    """The caption that a text is. Raises CaptionInvalid with every violation, and nothing else.

    A text that the token limit ended has one violation, `length`: what it would have become is not known.
    """
    found = Findings()
    objects: list[DenseObject] = []
    if finish_reason == "length":
        found.add("", Violation.LENGTH, f"the token limit ended the answer after {count_whole(text)} whole objects")
    else:
        value = read_json(text, found)
        if isinstance(value, Pairs):
            objects = _objects(value, found)
        elif not found:
            found.add("", Violation.NOT_AN_OBJECT, f"the answer is {told(value)}")
    if found:
        raise found.error()
    return Caption(tuple(objects))


def _objects(caption: Pairs, found: Findings) -> list[DenseObject]:
    """The objects that break no rule of their own."""
    objects: list[DenseObject] = []
    before: tuple[str, tuple[int, int]] | None = None
    for name, value in _named(caption, found):
        members = _members(name, value, found)
        if members is None:
            continue
        desc, geometry = _desc(name, members, found), _geometry(name, members, found)
        if geometry is None:
            continue
        x, y = anchor(geometry)
        if before is not None and (y, x) < before[1]:
            (above, left), other = before[1], before[0]
            found.add(name, Violation.ORDER, f"its point ({x}, {y}) comes before ({left}, {above}) of {other}")
        before = name, (y, x)
        if desc is not None:
            objects.append(DenseObject(desc, geometry))
    return objects


def _named(caption: Pairs, found: Findings) -> Iterator[tuple[str, Any]]:
    """The caption's members one by one, their names checked and fit to be told."""
    seen: set[str] = set()
    due = 1
    for key, value in caption.items:
        match = _NAME.fullmatch(key)
        name = key if match else quoted(key)
        if key in seen:
            found.add(name, Violation.DUPLICATE_KEY, "the caption has this name already")
        else:
            seen.add(key)
            if match is None or int(match[1]) != due:
                rule = Violation.OBJECT_NAME if match is None else Violation.OBJECT_NUMBER
                found.add(name, rule, f"object_{due} is due here")
            due = int(match[1]) + 1 if match else due + 1
        yield name, value


def _members(name: str, value: Any, found: Findings) -> dict[str, Any] | None:
    """An object's members, None if it is no object; the first of repeated ones."""
    if not isinstance(value, Pairs):
        found.add(name, Violation.NOT_AN_OBJECT, f"it is {told(value)}")
        return None
    members: dict[str, Any] = {}
    for key, member in value.items:
        if key in members:
            found.add(name, Violation.DUPLICATE_KEY, f"{quoted(key)} stands there more than once")
            continue
        members[key] = member
        if key not in _KEYS:
            found.add(name, Violation.UNKNOWN_KEY, quoted(key))
    return members


def _desc(name: str, members: dict[str, Any], found: Findings) -> str | None:
    """An object's description; None if there is none to be had, whatever its violations."""
    if "desc" not in members:
        found.add(name, Violation.DESC_MISSING, "it has no desc")
        return None
    desc = members["desc"]
    if not isinstance(desc, str):
        found.add(name, Violation.DESC_TYPE, f"desc is {told(desc)}")
        return None
    if not desc.strip():
        found.add(name, Violation.DESC_EMPTY, f"desc is {told(desc)}")
        return None
    rules = (
        (Violation.SPECIAL_TOKEN, SPECIAL_TOKEN.search(desc) is not None),
        (Violation.DESC_SPACE, desc != desc.strip()),
        (Violation.DESC_LINES, LINE_END.search(desc) is not None),
        (Violation.DESC_UNPRINTABLE, not LINE_END.sub("", desc).isprintable() or any(map(is_format, desc))),
        (Violation.DESC_REPLACEMENT, REPLACEMENT in desc),
    )
    for violation, broken in rules:
        if broken:
            found.add(name, violation, f"desc is {told(desc)}")
    return desc


def _geometry(name: str, members: dict[str, Any], found: Findings) -> Geometry | None:
    """An object's geometry, None if it breaks a rule of its own."""
    kinds = [kind for kind in KINDS if kind in members]
    if not kinds:
        found.add(name, Violation.GEOMETRY_MISSING, f"it has none of {', '.join(KINDS)}")
    if len(kinds) > 1:
        found.add(name, Violation.GEOMETRY_SEVERAL, f"it has {' and '.join(kinds)}")
    geometry = None
    for kind in kinds:
        pairs = read_points(name, kind, members[kind], found)
        geometry = None if pairs is None else read_geometry(name, kind, pairs, found)
        if kind == "line":
            _line_points(name, members, pairs, found)
    if "line" not in kinds and "line_points" in members:
        found.add(name, Violation.LINE_POINTS_UNWANTED, "it has line_points and no line")
    return geometry if len(kinds) == 1 else None


def _line_points(name: str, members: dict[str, Any], pairs: list[tuple[Any, Any]] | None, found: Findings) -> None:
    """Hold `line_points` against the points of a line; `pairs` is None if these cannot be counted."""
    if "line_points" not in members:
        found.add(name, Violation.LINE_POINTS_MISSING, "it has a line and no line_points")
        return
    count = members["line_points"]
    if not is_integer(count):
        found.add(name, Violation.LINE_POINTS_WRONG, f"line_points is {told(count)}, not an integer")
    elif pairs is not None and count != len(pairs):
        found.add(name, Violation.LINE_POINTS_WRONG, f"line_points is {told(count)}, the line has {len(pairs)} points")
