"""Places on a photo: norm1000 and pixels, the point that orders objects, and how much two places overlap.

Knows no caption's text and no drawing. norm1000 is the scale that Qwen3-VL writes places in: thousandths of each side.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import shapely

from tasks.dense.caption import Geometry, Points

NORM = 1000
"""A photo's width and height, each, in norm1000."""

TUBE = 15
"""Half the width, in norm1000, that a line is given when places are compared; its ends are round."""


def to_norm(points: Iterable[tuple[float, float]], width: int, height: int) -> Points:
    """Pixels on the upright photo of `width` x `height` -> norm1000: `round(value / dimension * 1000)`."""
    return tuple((round(x / width * NORM), round(y / height * NORM)) for x, y in points)


def to_pixels(points: Iterable[tuple[int, int]], width: int, height: int) -> tuple[tuple[float, float], ...]:
    """norm1000 -> pixels on the upright photo of `width` x `height`, 0..width and 0..height, not rounded.

    Whole pixels would lose what `to_norm` said: a photo 480 pixels wide has two thousandths a pixel.
    """
    return tuple((x / NORM * width, y / NORM * height) for x, y in points)


def anchor(geometry: Geometry) -> tuple[int, int]:
    """The point (x, y) that decides an object's turn: the order is by y, then x.

    A box's top left corner, a polygon's first vertex, a line's leftmost point (the first of several).
    """
    if geometry.kind == "line":
        return min(geometry.points, key=lambda point: point[0])
    return geometry.points[0]


def iou(a: Geometry, b: Geometry) -> float:
    """Intersection over union of two places, 0 to 1; the same for (a, b) and (b, a).

    All are compared as areas: boxes and polygons as they are, lines as tubes of half-width TUBE. A polygon that
    crosses itself counts with all that its edges enclose. Equal places have 1, even if they enclose nothing.
    """
    if a == b:
        return 1.0
    first, second = _area(a), _area(b)
    # Coordinates are small and shapes are valid, so that GEOS finds an intersection whatever they look like;
    # the order of the two can change its last bit.
    if a.kind + str(a.points) > b.kind + str(b.points):
        first, second = second, first
    shared = float(shapely.area(shapely.intersection(first, second)))
    whole = float(shapely.area(first)) + float(shapely.area(second)) - shared
    return min(1.0, max(0.0, shared / whole)) if whole > 0 else 0.0


@lru_cache(maxsize=4096)
def _area(geometry: Geometry) -> shapely.Geometry:
    """The valid shape, in norm1000, that a place covers."""
    points = geometry.points
    if geometry.kind == "bbox_2d":
        return shapely.box(*points[0], *points[1])
    if geometry.kind == "line":
        shape = shapely.LineString(points) if len(set(points)) > 1 else shapely.Point(points[0])
        return shapely.buffer(shape, TUBE)
    return shapely.make_valid(shapely.Polygon(points), method="structure", keep_collapsed=False)
