"""Tests of places on a photo: norm1000 and pixels, the anchor, and how much two places overlap."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.dense.caption import Geometry, Points
from tasks.dense.geometry import TUBE, anchor, iou, to_norm, to_pixels
from tests.builders import examples
from tests.tasks.dense.strategies import geometries, points

BOX = Geometry("bbox_2d", ((100, 200), (300, 400)))
TUBE_OF_600 = 600 * 2 * TUBE + math.pi * TUBE**2
"""Area of a line 600 units long."""


def polygon(*corners: tuple[int, int]) -> Geometry:
    """A polygon of these corners."""
    return Geometry("poly", corners)


def line(*corners: tuple[int, int]) -> Geometry:
    """A line through these points."""
    return Geometry("line", corners)


@examples(200)
@given(st.lists(points, max_size=6).map(tuple), st.integers(1, 20_000), st.integers(1, 20_000))
def test_norm1000_comes_back_from_pixels_of_a_photo_of_any_size(places: Points, width: int, height: int) -> None:
    pixels = to_pixels(places, width, height)
    assert all(0 <= x <= width and 0 <= y <= height for x, y in pixels)
    assert to_norm(pixels, width, height) == places


@examples(200)
@given(st.lists(points, max_size=6).map(tuple), st.integers(1000, 20_000), st.integers(1000, 20_000))
def test_whole_pixels_of_a_large_photo_are_at_most_one_unit_off(places: Points, width: int, height: int) -> None:
    pixels = [(round(x), round(y)) for x, y in to_pixels(places, width, height)]
    for there, back in zip(places, to_norm(pixels, width, height), strict=True):
        assert max(abs(there[0] - back[0]), abs(there[1] - back[1])) <= 1


def test_norm1000_is_rounded_as_the_format_says() -> None:
    assert to_norm([(0, 0), (532, 728), (100, 100), (266.3, 363.6)], 532, 728) == (
        (0, 0),
        (1000, 1000),
        (188, 137),
        (501, 499),
    )
    assert to_pixels([(500, 1000), (188, 1)], 532, 728) == ((266.0, 728.0), (pytest.approx(100.016), 0.728))


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        (BOX, (100, 200)),
        (polygon((50, 60), (10, 10), (90, 10), (90, 60)), (50, 60)),
        (line((50, 60), (10, 90), (30, 5)), (10, 90)),
        (line((50, 60), (10, 90), (10, 5)), (10, 90)),
    ],
)
def test_the_anchor_is_a_boxs_corner_a_polygons_first_vertex_a_lines_leftmost_point(
    geometry: Geometry, expected: tuple[int, int]
) -> None:
    assert anchor(geometry) == expected


@examples(400)
@given(geometries, geometries)
def test_overlap_is_a_share_and_the_same_both_ways(a: Geometry, b: Geometry) -> None:
    assert 0 <= iou(a, b) <= 1
    assert iou(a, b) == iou(b, a)
    assert iou(a, a) == 1


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (BOX, Geometry("bbox_2d", ((100, 200), (200, 400))), 1 / 2),
        (BOX, Geometry("bbox_2d", ((200, 300), (400, 500))), 1 / 7),
        (BOX, Geometry("bbox_2d", ((300, 200), (400, 400))), 0),
        (BOX, polygon((100, 200), (300, 200), (300, 400), (100, 400)), 1),
        (BOX, polygon((300, 400), (100, 400), (100, 200), (300, 200)), 1),
        (BOX, polygon((100, 200), (300, 200), (300, 400), (300, 400)), 1 / 2),
        (line((100, 500), (700, 500)), line((700, 500), (400, 500), (100, 500)), 1),
        (line((100, 500), (700, 500)), line((100, 500 + 2 * TUBE), (700, 500 + 2 * TUBE)), 0),
        (line((5, 5), (5, 5)), line((5, 5), (5, 5), (5, 5)), 1),
        (
            line((100, 500), (700, 500)),
            Geometry("bbox_2d", ((100, 500 - TUBE), (700, 500 + TUBE))),
            600 * 2 * TUBE / TUBE_OF_600,
        ),
    ],
)
def test_places_of_all_kinds_are_compared_as_areas(a: Geometry, b: Geometry, expected: float) -> None:
    assert iou(a, b) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("crossed", "area"),
    [
        (polygon((0, 0), (100, 100), (100, 0), (0, 100)), 5_000),
        (polygon(*[(0, 0), (100, 0), (100, 100), (0, 100)] * 2), 10_000),
        (polygon((0, 0), (100, 0), (100, 100), (0, 100), (0, 500)), 10_000),
        # a star, with its middle
        (polygon((500, 100), (735, 824), (120, 376), (880, 376), (265, 824)), 179_600),
    ],
)
def test_a_polygon_that_crosses_itself_counts_with_all_that_it_encloses(crossed: Geometry, area: int) -> None:
    assert iou(crossed, Geometry("bbox_2d", ((0, 0), (1000, 1000)))) == pytest.approx(area / 1e6, rel=1e-3)


def test_a_polygon_that_encloses_nothing_overlaps_with_itself_only() -> None:
    flat = polygon((100, 200), (200, 300), (150, 250), (300, 400))
    point = polygon(*[(150, 250)] * 4)
    assert [iou(flat, flat), iou(point, point)] == [1, 1]
    assert [iou(flat, point), iou(flat, BOX), iou(point, BOX)] == [0, 0, 0]
