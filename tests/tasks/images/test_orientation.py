"""Tests that photos stand upright, whatever way round the camera stored them."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from PIL import ExifTags, Image

from configs.parts import InputConfig
from tasks.images.open import decode, read_header
from tests.tasks.images.test_open import encode

LIMITS = InputConfig()
WIDTH, HEIGHT = 64, 32
CORNERS = {
    (4, 4): (255, 0, 0),
    (WIDTH - 5, 4): (0, 255, 0),
    (4, HEIGHT - 5): (0, 0, 255),
    (WIDTH - 5, HEIGHT - 5): (255, 255, 0),
}

# EXIF 2.32, Orientation: where in the upright picture the stored row r and column c lie.
PLACES: dict[int, Callable[[int, int], tuple[int, int]]] = {
    1: lambda r, c: (c, r),
    2: lambda r, c: (WIDTH - 1 - c, r),
    3: lambda r, c: (WIDTH - 1 - c, HEIGHT - 1 - r),
    4: lambda r, c: (c, HEIGHT - 1 - r),
    5: lambda r, c: (r, c),
    6: lambda r, c: (WIDTH - 1 - r, c),
    7: lambda r, c: (WIDTH - 1 - r, HEIGHT - 1 - c),
    8: lambda r, c: (r, HEIGHT - 1 - c),
}


def upright() -> Image.Image:
    """A quarter in each colour, so that every corner is told from the others."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    for (x, y), colour in CORNERS.items():
        left, top = (x // (WIDTH // 2)) * (WIDTH // 2), (y // (HEIGHT // 2)) * (HEIGHT // 2)
        image.paste(colour, (left, top, left + WIDTH // 2, top + HEIGHT // 2))
    return image


def stored(orientation: int) -> Image.Image:
    """The same picture as a camera stores it that was held in this way."""
    picture, size = upright(), (HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)
    image = Image.new("RGB", size)
    for column in range(size[0]):
        for row in range(size[1]):
            image.putpixel((column, row), picture.getpixel(PLACES[orientation](row, column)))
    return image


def assert_upright(data: bytes) -> None:
    """Header and picture are upright, corner by corner."""
    header = read_header(data, LIMITS)
    assert (header.width, header.height) == (WIDTH, HEIGHT)
    image = decode(data, LIMITS)
    assert image.size == (WIDTH, HEIGHT)
    for place, colour in CORNERS.items():
        got = image.getpixel(place)
        assert all(abs(a - b) < 40 for a, b in zip(got, colour, strict=True)), (place, got, colour)


def raw_exif(*tags: tuple[int, int, int, bytes]) -> bytes:
    """An EXIF block with exactly these tags: number, type, count, and four bytes of value or offset."""
    entries = b"".join(struct.pack("<HHI4s", *tag) for tag in tags)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


SIDEWAYS = (0x112, 3, 1, struct.pack("<HH", 6, 0))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "MPO"])
@pytest.mark.parametrize("orientation", PLACES)
def test_every_orientation_comes_out_upright(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"quality": 95, "subsampling": 0} if kind != "PNG" else {}
    if kind == "MPO":
        options |= {"save_all": True, "append_images": [Image.new("RGB", (32, 32))]}
    assert_upright(encode(stored(orientation), kind, exif=exif, **options))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_without_exif_a_photo_is_taken_as_it_is(kind: str) -> None:
    assert_upright(encode(upright(), kind))


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_an_orientation_that_does_not_exist_is_taken_as_upright(value: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    assert_upright(encode(upright(), "JPEG", exif=exif))


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0nothing of the kind",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        raw_exif((0x112, 2, 4, b"six\0")),
        raw_exif((0x112, 7, 4, b"\xff\xff\xff\xff")),
        raw_exif((0x112, 12, 1, b"\xff\xff\xff\x7f")),
        raw_exif((0x112, 3, 0, b"\x06\0\0\0")),
        raw_exif(SIDEWAYS)[:-10],
    ],
)
@pytest.mark.filterwarnings("error")
def test_broken_exif_does_not_cost_the_photo(exif: bytes) -> None:
    assert_upright(encode(upright(), "JPEG", exif=exif))


@pytest.mark.parametrize(
    "broken",
    [
        (0x10F, 5, 1, b"\x06\0\0\0"),
        (0x10F, 12, 1, b"\x06\0\0\0"),
        (0x10F, 2, 1_000_000, b"\xff\xff\0\0"),
        (0x8769, 4, 1, b"\xff\xff\0\0"),
        (0x8825, 4, 1, b"\xff\xff\xff\xff"),
        (0x9286, 7, 100, b"\xff\xff\0\0"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_broken_tag_beside_a_good_orientation_is_passed_over(broken: tuple[int, int, int, bytes]) -> None:
    assert_upright(encode(stored(6), "JPEG", exif=raw_exif(*sorted([SIDEWAYS, broken]))))


@pytest.mark.parametrize(
    "exif",
    [
        raw_exif((0x112, 1, 1, b"\x06\0\0\0")),
        raw_exif((0x112, 4, 1, b"\x06\0\0\0")),
        b"Exif\0\0MM\0*" + struct.pack(">LHHHLHH", 8, 1, 0x112, 3, 1, 6, 0) + bytes(4),
        b"Exif\0\0MM\0*" + struct.pack(">LHHHLL", 8, 1, 0x112, 4, 1, 6) + bytes(4),
        b"Exif\0\0II*\0" + struct.pack("<L6xHHHLHH", 14, 1, *SIDEWAYS[:3], 6, 0) + bytes(4),
    ],
    ids=["byte", "long", "motorola", "motorola-long", "directory-elsewhere"],
)
def test_an_orientation_is_found_however_it_is_written(exif: bytes) -> None:
    assert_upright(encode(stored(6), "JPEG", exif=exif, quality=95))


def test_only_the_first_exif_of_a_photo_counts() -> None:
    data = encode(stored(6), "JPEG", exif=raw_exif(SIDEWAYS), quality=95)
    other = raw_exif((0x112, 3, 1, struct.pack("<HH", 3, 0)))
    end = data.index(b"Exif") - 2 + int.from_bytes(data[data.index(b"Exif") - 2 : data.index(b"Exif")], "big")
    assert_upright(data[:end] + struct.pack(">HH", 0xFFE1, len(other) + 2) + other + data[end:])


def test_a_sideways_photo_is_judged_the_same_by_both_sides() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encode(Image.new("RGB", (1_700, 17)), "JPEG", exif=exif)
    header = read_header(data, LIMITS)
    assert (header.width, header.height) == decode(data, LIMITS).size == (17, 1_700)
