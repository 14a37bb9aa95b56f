"""Where a thing is: the outline that a dense caption gives for its kind. Knows no pixels and no sentences."""

from __future__ import annotations

from infra.demo.scenes import BAFFLE, FIBRE, WIRE, Box, Thing

Points = list[tuple[int, int]]

WELL_FITTED = "安装规范"


def sheet(box: Box, traits: tuple[str, ...]) -> Points:
    """A baffle's sheet in its box, clockwise from the top-left vertex: one fitted badly hangs lower at its left."""
    left, top, right, bottom = box
    drop = 0 if traits[0] == WELL_FITTED else round(0.42 * (bottom - top))
    return [(left, top + drop), (right, top), (right, bottom - drop), (left, bottom)]


def outline(thing: Thing) -> tuple[str, Points]:
    """The geometry's name in a caption and its points in pixels: a sheet, a line down the middle, or a box."""
    left, top, right, bottom = thing.box
    if thing.kind == BAFFLE:
        return "poly", sheet(thing.box, thing.traits)
    if thing.kind in (FIBRE, WIRE):
        middle = (left + right) // 2
        return "line", [(middle, top), (middle, bottom)]
    return "bbox_2d", [(left, top), (right, bottom)]
