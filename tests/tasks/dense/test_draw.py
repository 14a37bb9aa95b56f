"""Tests of drawing a caption: everything is where it belongs, on photos of any size, with or without a font."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from tasks.dense.caption import Caption, DenseObject, Geometry, Kind
from tasks.dense.colours import PALETTE, colour_of, contrast
from tasks.dense.draw import LONGEST, NARROWEST, SHORTEST, overlay, png_bytes
from tasks.records.errors import InputError
from tests.builders import examples
from tests.tasks.dense.strategies import captions

GREY = (128, 128, 128)


@pytest.fixture(scope="session")
def latin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A font without Chinese characters, so that every machine draws the same."""
    path = tmp_path_factory.mktemp("fonts") / "latin.ttf"
    path.write_bytes(ImageFont.load_default(16).font_bytes)
    return path


def drawn(kind: Kind, points: tuple[tuple[int, int], ...], latin: Path, size: tuple[int, int]) -> Image.Image:
    """A grey photo with one object."""
    caption = Caption((DenseObject("光纤/有保护", Geometry(kind, points)),))
    return overlay(Image.new("RGB", size, GREY), caption, latin)


@pytest.mark.parametrize("size", [(500, 1000), (1000, 2000), (1500, 3000)])
@pytest.mark.parametrize(
    ("kind", "points", "on", "off"),
    [
        ("bbox_2d", ((200, 300), (800, 700)), [(200, 500), (800, 500), (500, 300), (500, 700)], [(500, 500)]),
        ("poly", ((200, 300), (800, 300), (800, 700), (200, 700)), [(200, 500), (500, 700)], [(500, 500)]),
        ("line", ((200, 300), (800, 300), (800, 700)), [(500, 300), (800, 500)], [(200, 500), (500, 700)]),
    ],
)
def test_an_object_is_drawn_where_it_is(
    latin: Path,
    size: tuple[int, int],
    kind: Kind,
    points: tuple[tuple[int, int], ...],
    on: list[tuple[int, int]],
    off: list[tuple[int, int]],
) -> None:
    picture = drawn(kind, points, latin, size)
    width = picture.width
    for x, y in on:
        assert picture.getpixel((round(x / 1000 * width), round(y / 1000 * 2 * width))) == colour_of("光纤")
    for x, y in off:
        assert picture.getpixel((round(x / 1000 * width), round(y / 1000 * 2 * width))) == GREY


def test_an_outline_has_a_rim_that_stands_out_from_any_photo(latin: Path) -> None:
    picture = drawn("bbox_2d", ((200, 300), (800, 700)), latin, (900, 900))
    across = [picture.getpixel((x, 450)) for x in range(170, 190)]
    assert set(across) == {GREY, colour_of("光纤"), contrast(colour_of("光纤"))}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((480, 640), (SHORTEST, 1200)),
        ((1034, 1920), (1034, 1920)),
        ((4000, 3000), (LONGEST, 1800)),
        ((64, 6400), (NARROWEST, LONGEST)),
        ((6400, 64), (LONGEST, NARROWEST // 4)),
        ((1, 1), (SHORTEST, SHORTEST)),
    ],
)
def test_photos_are_brought_to_a_size_at_which_labels_can_be_read(
    latin: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    picture = overlay(Image.new("RGB", size, GREY), Caption(()), latin)
    assert picture.width == expected[0]
    assert 0 < picture.height - expected[1] < 120


def test_the_photo_is_left_as_it_was_and_the_picture_is_the_same_every_time(latin: Path) -> None:
    photo = Image.new("L", (900, 900), 7)
    caption = Caption((DenseObject("标签", Geometry("bbox_2d", ((0, 0), (1000, 1000)))),))
    first, second = (png_bytes(overlay(photo, caption, latin)) for _ in range(2))
    assert first == second
    assert photo.getcolors() == [(900 * 900, 7)]
    with Image.open(io.BytesIO(first)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")


def test_a_small_object_stays_in_sight_on_a_large_one(latin: Path) -> None:
    place = ((400, 400), (600, 600))
    small, large = Geometry("bbox_2d", place), Geometry("poly", ((0, 0), (1000, 0), (600, 500), (400, 500)))
    caption = Caption((DenseObject("BBU设备", large), DenseObject("标签", small)))
    picture = overlay(Image.new("RGB", (1000, 1000), GREY), caption, latin)
    assert picture.getpixel((400, 500)) == colour_of("标签")


@examples(6)
@given(captions, st.sampled_from([(64, 48), (900, 20), (20, 900)]), st.booleans())
def test_any_caption_can_be_drawn_on_any_photo(latin: Path, caption: Caption, size: tuple[int, int], own: bool) -> None:
    picture = overlay(Image.new("RGB", size, GREY), caption, latin if own else None)
    assert picture.mode == "RGB"
    colours = {colour for _, colour in picture.getcolors(1 << 24)}
    assert {colour_of(item.type) for item in caption.objects} <= colours & set(PALETTE)


def test_a_file_that_is_no_font_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        overlay(Image.new("RGB", (64, 48)), Caption(()), tmp_path / "none.ttf")
