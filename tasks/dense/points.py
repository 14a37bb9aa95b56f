"""The rules of one geometry: how points are written, how many there are, and where they may lie. Knows no object."""

from __future__ import annotations

from typing import Any, Final

from tasks.dense.caption import Geometry, Kind
from tasks.dense.geometry import NORM
from tasks.dense.reading import Number, is_integer, told
from tasks.dense.violations import Findings, Violation

_LEAST: Final[dict[Kind, int]] = {"bbox_2d": 2, "poly": 4, "line": 2}


def read_points(name: str, kind: Kind, value: Any, found: Findings) -> list[tuple[Any, Any]] | None:
    """The (x, y) pairs of a list that is flat, [x1, y1, ...], or paired, [[x1, y1], ...]; None if it is neither.

    What x and y are is not looked at. `name` is the object's, `value` what `read_json` gave.
    """
    if not isinstance(value, list):
        found.add(name, Violation.POINTS_TYPE, f"{kind} is {told(value)}, not a list")
        return None
    inner = [item for item in value if isinstance(item, list)]
    if not inner:
        if len(value) % 2:
            found.add(name, Violation.POINTS_ODD, f"{kind} has {len(value)} values, the last x has no y")
            return None
        return list(zip(value[::2], value[1::2], strict=True))
    if len(inner) < len(value):
        found.add(name, Violation.POINTS_MIXED, f"{kind} has {len(inner)} lists among its {len(value)} values")
        return None
    for number, item in enumerate(inner, 1):
        if len(item) != 2:
            found.add(name, Violation.POINTS_TYPE, f"point {number} of {kind} has {len(item)} values, not 2")
            return None
    return [(x, y) for x, y in inner]


def read_geometry(name: str, kind: Kind, pairs: list[tuple[Any, Any]], found: Findings) -> Geometry | None:
    """The geometry of these pairs, None if it breaks a rule."""
    whole = True
    least = _LEAST[kind]
    if len(pairs) < least or (kind == "bbox_2d" and len(pairs) > least):
        rule = "exactly" if kind == "bbox_2d" else "at least"
        found.add(name, Violation.POINTS_COUNT, f"{kind} has {len(pairs)} points, not {rule} {least}")
        whole = False
    for number, pair in enumerate(pairs, 1):
        for axis, value in zip("xy", pair, strict=True):
            whole &= _coordinate(name, f"{axis}{number} of {kind} is", value, found)
    if not whole:
        return None
    if kind == "bbox_2d":
        for axis, low, high in zip("xy", *pairs, strict=True):
            if low >= high:
                found.add(name, Violation.BBOX_ORDER, f"{axis}1 {low} is not less than {axis}2 {high}")
                whole = False
    return Geometry(kind, tuple(pairs)) if whole else None


def _coordinate(name: str, what: str, value: Any, found: Findings) -> bool:
    """Whether a value is a norm1000 coordinate; `what` starts the sentence that says why not."""
    if not is_integer(value):
        found.add(name, Violation.COORDINATE_TYPE, f"{what} {told(value)}, not an integer")
        return False
    if isinstance(value, Number) or not 0 <= value <= NORM:
        found.add(name, Violation.COORDINATE_RANGE, f"{what} {told(value)}, outside 0..{NORM}")
        return False
    return True
