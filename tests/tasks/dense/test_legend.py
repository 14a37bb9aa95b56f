"""Tests of the strip below a drawn photo."""

from __future__ import annotations

from tasks.dense.caption import Caption, DenseObject, Geometry
from tasks.dense.colours import PAPER, colour_of
from tasks.dense.fonts import Face
from tasks.dense.legend import MOST_LISTED, legend

FACE = Face(None)


def caption(*descs: str) -> Caption:
    """A caption of objects with these descriptions."""
    return Caption(tuple(DenseObject(desc, Geometry("bbox_2d", ((0, 0), (9, 9)))) for desc in descs))


def height(*descs: str) -> int:
    """How high the legend of these descriptions is."""
    return int(legend(caption(*descs), FACE, 20, 900).height)


def test_every_object_has_a_line_with_its_colour() -> None:
    strip = legend(caption("label/a", "fibre/b", "screw/c"), FACE, 20, 900)
    colours = {colour for _, colour in strip.getcolors(1 << 24)}
    assert {colour_of("label"), colour_of("fibre"), colour_of("screw"), PAPER} <= colours
    assert strip.width == 900


def test_long_descriptions_are_wrapped_and_many_objects_counted() -> None:
    assert height(*["a"] * 3) < height(*["a"] * 30) < height(*["a" * 100] * 30)
    assert (
        height(*["a"] * (MOST_LISTED + 500)) == height(*["a"] * (MOST_LISTED + 1)) == height(*["a"] * MOST_LISTED) + 30
    )
    assert height("a" * 400) == height("a" * 100_000)


def test_a_note_tells_that_there_is_nothing_or_that_words_are_left_out() -> None:
    assert height() == 50
    assert height("标签") > height("label")
