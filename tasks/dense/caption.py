"""What a dense caption is once it was read: every object of a photo, with its place. Knows no text and no rule."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal["bbox_2d", "poly", "line"]
"""The keys under which an object's geometry is written."""

KINDS: tuple[Kind, ...] = get_args(Kind)

Points = tuple[tuple[int, int], ...]
"""(x, y) pairs in norm1000: thousandths of the upright photo's width and height, 0..1000."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where an object is. A box has two points: top left and bottom right."""

    kind: Kind
    points: Points

    @property
    def flat(self) -> list[int]:
        """The points as they are written: x1, y1, x2, y2, ..."""
        return [value for point in self.points for value in point]


@dataclass(frozen=True, slots=True)
class DenseObject:
    """One object of a photo. `desc` is a path, 类型/属性[,属性]/[条件属性]."""

    desc: str
    geometry: Geometry

    @property
    def type(self) -> str:
        """The path's first part."""
        return self.desc.split("/", 1)[0]

    def as_json(self) -> dict[str, Any]:
        """The object as it is written: `desc` first, `line_points` before `line`."""
        points = self.geometry.flat
        count = {"line_points": len(self.geometry.points)} if self.geometry.kind == "line" else {}
        return {"desc": self.desc, **count, self.geometry.kind: points}


@dataclass(frozen=True, slots=True)
class Caption:
    """A photo's objects, top to bottom, then left to right. None at all: nothing to inspect is on it."""

    objects: tuple[DenseObject, ...]

    def as_json(self) -> dict[str, Any]:
        """`object_1`, `object_2`, ... in order; coordinates flat."""
        return {f"object_{number}": item.as_json() for number, item in enumerate(self.objects, 1)}

    def text(self) -> str:
        """The one way in which this caption is written: JSON without spaces, Chinese as it is."""
        return json.dumps(self.as_json(), ensure_ascii=False, separators=(",", ":"))
