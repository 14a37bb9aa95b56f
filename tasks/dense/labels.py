"""Places for labels: near their objects, never on each other, hiding as little as can be. Knows no font."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Rect = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

Size = tuple[int, int]

# What a label's place costs, in pixels of distance from its object.
_HIDES_ALL = 220
"""Hiding a whole object; a part of one costs its share."""
_SHORTER = 45
"""Each step to a shorter wording."""
_MISLEADS = 70
"""Lying about as near to another object that is not much larger as to its own: it would seem to be the other's."""
_MUCH = 5
"""How many times larger is much."""


@dataclass(frozen=True, slots=True)
class Label:
    """Where the label of object `index` goes, and which of its wordings fits there."""

    index: int
    wording: int
    rect: Rect


def place_labels(objects: Sequence[Rect], wordings: Sequence[Sequence[Size]], canvas: Size) -> list[Label]:
    """A place for each object's label: `wordings[i]` has the sizes of object i's wordings, the longest first.

    All labels lie on the canvas and none on another. Where nothing is free any more, an object has no label.
    Small objects choose first: large ones have room in themselves.
    """
    placed: list[Label] = []
    for index in sorted(range(len(objects)), key=lambda index: (_area(objects[index]), index)):
        place = _best(objects, index, wordings[index], canvas, placed)
        place = place or _anywhere(objects[index], wordings[index], canvas, placed)
        if place is not None:
            placed.append(Label(index, *place))
    return sorted(placed, key=lambda label: label.index)


def _best(
    objects: Sequence[Rect], index: int, sizes: Sequence[Size], canvas: Size, placed: Sequence[Label]
) -> tuple[int, Rect] | None:
    """The cheapest free place near an object, and the wording that goes there."""
    own = objects[index]
    tried: dict[Rect, tuple[float, int]] = {}
    for wording, size in enumerate(sizes):
        for rect in _near(own, size, canvas):
            tried.setdefault(rect, (wording * _SHORTER + _gap(rect, own), wording))
    if not tried:
        return None
    # What lies beyond all these places cannot be hidden by one of them.
    reach = (min(r[0] for r in tried), min(r[1] for r in tried), max(r[2] for r in tried), max(r[3] for r in tried))
    others = [other for other in objects if _shared(other, reach)]
    taken = [label.rect for label in placed if _shared(label.rect, reach)]
    best: tuple[int, Rect] | None = None
    lowest = float("inf")
    for rect, (cost, wording) in sorted(tried.items(), key=lambda item: item[1]):
        if cost >= lowest:
            break
        if any(_shared(rect, label) for label in taken):
            continue
        near = _gap(rect, own) + (rect[3] - rect[1]) / 4
        for other in others:
            cost += _HIDES_ALL * _shared(rect, other) / _area(other)
            if other != own and _gap(rect, other) < near and _area(other) < _MUCH * _area(own):
                cost += _MISLEADS
            if cost >= lowest:
                break
        else:
            best, lowest = (wording, rect), cost
    return best


def _near(place: Rect, size: Size, canvas: Size) -> Iterator[Rect]:
    """Places around an object and, if it is wide enough, in its corners; then farther away."""
    left, top, right, bottom = place
    width, height = size
    columns = (left, right - width, (left + right - width) / 2, left - width, right)
    rows = (top - height, bottom, top, bottom - height, (top + bottom - height) / 2)
    steps = (0, -height, height, -2 * height, 2 * height, -4 * height, 4 * height)
    for shift in steps:
        for y in rows:
            for x in columns:
                yield _kept((x, y + shift), size, canvas)


def _anywhere(place: Rect, sizes: Sequence[Size], canvas: Size, placed: Sequence[Label]) -> tuple[int, Rect] | None:
    """The free place nearest to an object for its shortest wording."""
    width, height = size = sizes[-1]
    grid = (
        _kept((x, y), size, canvas)
        for y in range(0, max(1, canvas[1] - height + 1), max(1, height // 2))
        for x in range(0, max(1, canvas[0] - width + 1), max(1, width // 2))
    )
    free = [rect for rect in grid if not any(_shared(rect, label.rect) for label in placed)]
    if not free:
        return None
    nearest = min(free, key=lambda rect: _gap(rect, place))
    return len(sizes) - 1, nearest


def _kept(corner: tuple[float, float], size: Size, canvas: Size) -> Rect:
    """A rectangle moved so that it lies on the canvas, as far as it can."""
    x = max(0.0, min(corner[0], canvas[0] - size[0]))
    y = max(0.0, min(corner[1], canvas[1] - size[1]))
    return x, y, x + size[0], y + size[1]


def _area(rect: Rect) -> float:
    return max(1.0, (rect[2] - rect[0]) * (rect[3] - rect[1]))


def _shared(a: Rect, b: Rect) -> float:
    """The area that two rectangles have in common."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def _gap(a: Rect, b: Rect) -> float:
    """The distance between two rectangles, 0 if they touch."""
    return max(a[0] - b[2], b[0] - a[2], 0.0) + max(a[1] - b[3], b[1] - a[3], 0.0)
