"""What a dense caption is, written a second time and otherwise: straight from the format, on what `json.loads` gives.

Knows nothing of tasks.dense; its tests hold the two against each other.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

Read = list[tuple[str, str, list[tuple[int, int]]]]
"""Description, geometry's key and points of each object."""

TOKENS = ("think", "tool_call", "tool_response", "ref", "box", "quad")

UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffd\U000e0100-\U000e01ef]"
)


def expected(text: str) -> Read | None:
    """The objects of a text that is a caption; None for every other text."""
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_never)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or list(value) != [f"object_{i + 1}" for i in range(len(value))]:
        return None
    objects = [_object(members) for members in value.values()]
    if None in objects:
        return None
    found: Read = [one for one in objects if one is not None]
    turns = [_turn(kind, points) for _, kind, points in found]
    return found if turns == sorted(turns) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _never(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _object(members: Any) -> tuple[str, str, list[tuple[int, int]]] | None:
    if not isinstance(members, dict) or len(members) != (3 if "line" in members else 2):
        return None
    kind = next((key for key in ("bbox_2d", "poly", "line") if key in members), None)
    desc = members.get("desc")
    if kind is None or not isinstance(desc, str) or not _describes(desc):
        return None
    points = _points(members[kind])
    if points is None:
        return None
    if kind == "line":
        count = members.get("line_points")
        good = len(points) > 1 and count == len(points) and type(count) is int
    elif kind == "poly":
        good = len(points) > 3
    else:
        good = len(points) == 2 and points[0][0] < points[1][0] and points[0][1] < points[1][1]
    return (desc, kind, points) if good else None


def _describes(desc: str) -> bool:
    if not desc or desc[0].isspace() or desc[-1].isspace() or not desc.isprintable() or UNSEEN.search(desc):
        return False
    inner = [part.split("|>")[0] for part in desc.split("<|")[1:] if "|>" in part]
    if any("|" not in part and ">" not in part for part in inner):
        return False
    return not any(f"<{slash}{token}>" in desc for token in TOKENS for slash in ("", "/"))


def _points(value: Any) -> list[tuple[int, int]] | None:
    if not isinstance(value, list):
        return None
    flat = value
    if value and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        flat = [coordinate for pair in value for coordinate in pair]
    if len(flat) % 2 or not all(type(one) is int and one in range(1001) for one in flat):
        return None
    return [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]


def _turn(kind: str, points: list[tuple[int, int]]) -> tuple[int, int]:
    x, y = sorted(points, key=lambda point: point[0])[0] if kind == "line" else points[0]
    return y, x
