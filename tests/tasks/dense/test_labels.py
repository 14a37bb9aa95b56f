"""Tests of where labels go: near their objects, on the canvas, and never on each other."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from tasks.dense.labels import Rect, place_labels
from tests.builders import examples

CANVAS = (600, 400)
WORDINGS = ((150, 20), (80, 20), (24, 20))

rects = st.tuples(st.integers(0, 590), st.integers(0, 390), st.integers(1, 300), st.integers(1, 300)).map(
    lambda r: (float(r[0]), float(r[1]), float(min(600, r[0] + r[2])), float(min(400, r[1] + r[3])))
)


def overlap(a: Rect, b: Rect) -> bool:
    """Whether two rectangles have an area in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@examples()
@given(st.lists(rects | st.just((590.0, 0.0, 600.0, 5.0)), max_size=25))
def test_labels_lie_on_the_canvas_and_never_on_each_other(objects: list[Rect]) -> None:
    labels = place_labels(objects, [WORDINGS] * len(objects), CANVAS)
    assert [label.index for label in labels] == list(range(len(objects)))
    assert not any(overlap(a.rect, b.rect) for a, b in combinations(labels, 2))
    for label in labels:
        left, top, right, bottom = label.rect
        assert (right - left, bottom - top) == WORDINGS[label.wording]
        assert 0 <= left < right <= CANVAS[0]
        assert 0 <= top < bottom <= CANVAS[1]


def test_where_there_is_room_a_label_has_all_its_words_and_touches_its_object() -> None:
    objects: list[Rect] = [
        (50.0 + 180 * x, 50.0 + 100 * y, 110.0 + 180 * x, 90.0 + 100 * y) for y in (0, 1) for x in (0, 1)
    ]
    for label in place_labels(objects, [WORDINGS] * 4, CANVAS):
        assert label.wording == 0
        left, top, right, bottom = objects[label.index]
        assert overlap(label.rect, (left - 1, top - 1, right + 1, bottom + 1))
        assert not any(overlap(label.rect, place) for place in objects)


def test_a_label_gives_up_words_before_it_hides_another_object() -> None:
    tiles: list[Rect] = [(40.0 * x, 40.0 * y, 40.0 * x + 36, 40.0 * y + 36) for y in range(6) for x in range(10)]
    labels = place_labels(tiles, [WORDINGS] * 60, (400, 240))
    assert {label.wording for label in labels} == {2}
    for label in labels:
        assert sum(overlap(label.rect, place) for place in tiles) <= 1


def test_what_finds_no_place_has_no_label() -> None:
    assert len(place_labels([(0.0, 0.0, 1.0, 1.0)] * 9, [((60, 40),)] * 9, (100, 90))) == 2
