"""Tests of reading photos by their header and decoding them, within bounds."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from configs.parts import InputConfig
from tasks.images.open import decode, read_header
from tasks.images.png import MAGIC
from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason
from tests.builders import examples, make_photo_bytes, make_picture
from tests.faults.pictures import chunk, more_scans, raw_png, resealed, segment, with_chunks, with_segments
from tests.hangs import no_hang

LIMITS = InputConfig()


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a picture."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def declared(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header declares any size."""
    return raw_png((width, height), 8, 2, b"")


def reason_of(data: bytes, limits: InputConfig = LIMITS) -> Reason:
    """Why the header is refused."""
    with pytest.raises(PhotoError) as caught:
        read_header(data, limits)
    return caught.value.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY_FILE),
        ("这不是照片".encode(), Reason.NOT_AN_IMAGE),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", Reason.NOT_AN_IMAGE),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", Reason.CORRUPT_IMAGE),
        (make_photo_bytes("GIF"), Reason.UNSUPPORTED_FORMAT),
        (make_photo_bytes("BMP"), Reason.UNSUPPORTED_FORMAT),
        (make_photo_bytes("TIFF"), Reason.UNSUPPORTED_FORMAT),
        (make_photo_bytes("WEBP")[:-1], Reason.TRUNCATED_IMAGE),
        (make_photo_bytes("JPEG")[:100], Reason.TRUNCATED_IMAGE),
        (make_photo_bytes("PNG")[:20], Reason.TRUNCATED_IMAGE),
        (declared(50_000, 50_000), Reason.TOO_MANY_PIXELS),
        (declared(9_000, 8_900), Reason.TOO_MANY_PIXELS),
        (declared(2**31 - 1, 2**31 - 1), Reason.TOO_MANY_PIXELS),
        (declared(1, 10_000), Reason.TOO_SMALL),
        (declared(15, 4_000), Reason.TOO_SMALL),
        (declared(16, 1_601), Reason.TOO_ELONGATED),
        (declared(1_700, 16), Reason.TOO_ELONGATED),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else "",
)
def test_a_photo_that_cannot_be_used_is_refused_by_its_header_with_a_reason(data: bytes, reason: Reason) -> None:
    assert reason_of(data) is reason
    with pytest.raises(PhotoError) as caught:
        decode(data, LIMITS)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        *((name, make_photo_bytes(name)) for name in ("GIF", "TIFF", "BMP")),
        ("RAW", b"II*\0\x10\0\0\0CR\x02\0" + bytes(100)),
        ("RAW", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(100)),
        ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100)),
    ],
)
def test_a_picture_in_a_format_that_is_not_read_is_named_and_what_to_do(kind: str, data: bytes) -> None:
    with pytest.raises(PhotoError, match=rf"{kind}.*; convert it to JPEG") as caught:
        read_header(data, LIMITS)
    assert caught.value.reason is Reason.UNSUPPORTED_FORMAT


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [9_460, 13_400, 20_000])
def test_our_own_limit_of_pixels_counts_and_not_pillow_s(side: int) -> None:
    assert reason_of(declared(side, side)) is Reason.TOO_MANY_PIXELS
    assert read_header(declared(side, side), InputConfig(max_decode_pixels=side * side)).width == side


def test_the_bounds_themselves_are_allowed() -> None:
    assert read_header(declared(16, 1_600), LIMITS).height == 1_600
    assert read_header(declared(8_000, 10_000), LIMITS).width == 8_000
    data = make_photo_bytes()
    assert read_header(data, InputConfig(max_file_bytes=max(1024, len(data))))
    big = data + bytes(2_000)
    assert reason_of(big, InputConfig(max_file_bytes=len(big) - 1)) is Reason.TOO_MANY_BYTES


def test_a_phone_jpeg_with_a_second_picture_is_its_first_picture() -> None:
    data = encode(make_picture(seed=1), "MPO", save_all=True, append_images=[make_picture((32, 32), seed=2)])
    assert read_header(data, LIMITS).width == 64
    assert decode(data, LIMITS).size == (64, 48)
    assert decode(data, LIMITS).tobytes() == decode(make_photo_bytes(seed=1), LIMITS).tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_plain_photo_keeps_its_pixels(kind: str) -> None:
    image = decode(make_photo_bytes(kind), LIMITS)
    assert image.mode == "RGB"
    difference = max(
        abs(a - b)
        for a, b in zip(image.tobytes(), make_picture().tobytes(), strict=True)  # JPEG loses a little
    )
    assert difference <= (0 if kind == "PNG" else 12)


def test_transparent_pixels_become_white() -> None:
    image = Image.new("RGBA", (32, 32), (10, 20, 30, 255))
    image.putpixel((0, 0), (10, 20, 30, 0))
    upright = decode(encode(image, "PNG"), LIMITS)
    assert upright.getpixel((0, 0)) == (255, 255, 255)
    assert upright.getpixel((1, 1)) == (10, 20, 30)


def test_a_palette_with_a_transparent_colour_becomes_white_there() -> None:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([200, 0, 0, 0, 120, 0])
    image.putpixel((5, 5), 0)
    upright = decode(encode(image, "PNG", transparency=0), LIMITS)
    assert upright.getpixel((5, 5)) == (255, 255, 255)
    assert upright.getpixel((6, 6)) == (0, 120, 0)


def test_a_palette_without_transparency_keeps_its_colours() -> None:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([200, 0, 0, 0, 120, 0])
    assert decode(encode(image, "PNG"), LIMITS).getpixel((6, 6)) == (0, 120, 0)


@pytest.mark.parametrize(("sample", "level"), [(0, 0), (255, 0), (256, 1), (0x8000, 128), (0xFFFF, 255)])
def test_sixteen_bit_grey_keeps_its_upper_eight_bits(sample: int, level: int) -> None:
    data = encode(Image.new("I;16", (32, 32), sample), "PNG")
    assert decode(data, LIMITS).getpixel((3, 3)) == (level, level, level)


@pytest.mark.parametrize(
    ("depth", "row"), [(2, b"\x55\xaa"), (4, b"\x11\x77"), (8, b"\x01\x77"), (16, b"\0\x01\x77\x77")]
)
def test_a_grey_colour_that_is_transparent_becomes_white_at_every_depth(depth: int, row: bytes) -> None:
    half = len(row) // 2
    rows = (b"\0" + row[:half] * (depth // half) * 2 + row[half:] * (depth // half) * 2) * 32
    image = decode(raw_png((32, 32), depth, 0, rows, chunk(b"tRNS", b"\0\x01")), LIMITS)
    assert image.getpixel((3, 3)) == (255, 255, 255)
    assert image.getpixel((28, 3)) == ((170 if depth == 2 else 0x77),) * 3


def test_a_colour_of_sixteen_bits_that_is_transparent_becomes_white() -> None:
    clear, solid = b"\x12\x34\x56\x78\x9a\xbc", b"\x80\0\x40\xff\x20\0"
    rows = (b"\0" + clear * 16 + solid * 16) * 32
    image = decode(raw_png((32, 32), 16, 2, rows, chunk(b"tRNS", clear)), LIMITS)
    assert image.getpixel((3, 3)) == (255, 255, 255)
    assert image.getpixel((28, 3)) == (0x80, 0x40, 0x20)


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_photos_become_rgb(mode: str) -> None:
    white = {"1": 1, "L": 255, "LA": (255, 255)}[mode]
    assert decode(encode(Image.new(mode, (32, 32), white), "PNG"), LIMITS).getpixel((3, 3)) == (255, 255, 255)


def test_a_cmyk_jpeg_keeps_its_colours() -> None:
    red, green, blue = decode(encode(make_picture().convert("CMYK"), "JPEG", quality=95), LIMITS).getpixel((60, 2))
    for got, wanted in zip((red, green, blue), make_picture().getpixel((60, 2)), strict=True):
        assert abs(got - wanted) < 16


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"subsampling": 0}])
def test_a_jpeg_cut_anywhere_is_truncated_or_whole_to_the_last_pixel(options: dict[str, object]) -> None:
    data = make_photo_bytes("JPEG", quality=80, **options)
    whole = decode(data, LIMITS).tobytes()
    # Behind the last pixel there are the bits that fill its byte, and the marker of the end.
    for length in (*range(2, len(data) - 16, 7), *range(len(data) - 16, len(data) - 4)):
        with pytest.raises(PhotoError) as caught:
            decode(data[:length], LIMITS)
        assert caught.value.reason is Reason.TRUNCATED_IMAGE, length
    for length in range(len(data) - 4, len(data)):
        with suppress(PhotoError):
            assert decode(data[:length], LIMITS).tobytes() == whole
    for length in (len(data) - 2, len(data) - 1):
        assert decode(data[:length], LIMITS).tobytes() == whole


def test_a_png_cut_anywhere_is_truncated_or_whole_to_the_last_pixel() -> None:
    data = make_photo_bytes("PNG")
    whole = decode(data, LIMITS).tobytes()
    # Behind the last pixel there are its checksums and the IEND chunk.
    for length in range(4, len(data) - 24):
        with pytest.raises(PhotoError) as caught:
            decode(data[:length], LIMITS)
        assert caught.value.reason is Reason.TRUNCATED_IMAGE, length
    for length in range(len(data) - 24, len(data)):
        with suppress(PhotoError):
            assert decode(data[:length], LIMITS).tobytes() == whole


@examples(100)
@given(
    st.tuples(st.integers(16, 40), st.integers(16, 40)),
    st.sampled_from(
        [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (1, 3), (8, 3), (8, 4), (16, 4), (8, 6)]
    ),
    st.booleans(),
    st.integers(0, 8000),
)
def test_a_black_png_is_whole_with_all_of_its_rows_and_truncated_with_fewer(
    size: tuple[int, int], kind: tuple[int, int], interlaced: bool, lacking: int
) -> None:
    (width, height), (depth, colour) = size, kind
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    starts = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    grids = [(range(x, width, a), range(y, height, b)) for x, y, a, b in (starts if interlaced else [(0, 0, 1, 1)])]
    rows = bytes(sum(len(ys) * (1 + (len(xs) * samples * depth + 7) // 8) for xs, ys in grids))
    header = chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, interlaced))
    palette = chunk(b"PLTE", bytes(6)) if colour == 3 else b""

    def made(data: bytes) -> bytes:
        return MAGIC + header + palette + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")

    assert decode(made(rows), LIMITS).size == size
    lacking = min(lacking, len(rows) - 1) + 1
    with pytest.raises(PhotoError) as caught:
        decode(made(rows[:-lacking]), LIMITS)
    assert caught.value.reason is Reason.TRUNCATED_IMAGE


def test_a_complete_file_with_broken_data_is_corrupt() -> None:
    data = bytearray(make_photo_bytes("PNG"))
    middle = data.index(b"IDAT") + 30
    data[middle : middle + 20] = bytes(20)
    for broken in (bytes(data), resealed(bytes(data))):
        with pytest.raises(PhotoError) as caught:
            decode(broken, LIMITS)
        assert caught.value.reason is Reason.CORRUPT_IMAGE


def test_parts_without_end_are_refused_and_not_walked_through() -> None:
    endless = {
        "JPEG": with_segments(make_photo_bytes(), *[segment(0xFE, b"")] * 3_000_000),
        "PNG": with_chunks(make_photo_bytes("PNG"), *[chunk(b"teXt", b"")] * 1_000_000),
    }
    for data in endless.values():
        with no_hang():
            assert reason_of(data) is Reason.CORRUPT_IMAGE


def test_scans_that_cost_more_than_they_hold_are_refused() -> None:
    picture = make_picture((2_000, 1_500))
    assert decode(more_scans(80)(picture), LIMITS).size == picture.size
    with pytest.raises(PhotoError, match="scans") as caught:
        decode(more_scans(3_000)(picture), LIMITS)
    assert caught.value.reason is Reason.CORRUPT_IMAGE


def test_what_follows_the_first_picture_is_not_looked_at() -> None:
    data = make_photo_bytes()
    for tail in (data, b"\xff\xda", b"\xff\xd8\xff\xe1\xff\xff", bytes(1000)):
        assert decode(data + tail, LIMITS).tobytes() == decode(data, LIMITS).tobytes()


@examples()
@given(
    st.sampled_from(["JPEG", "PNG"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12),
)
def test_damage_is_a_typed_reason_or_a_picture_and_never_another_error(
    kind: str, damage: list[tuple[float, int]]
) -> None:
    data = bytearray(make_photo_bytes(kind))
    for place, value in damage:
        data[int(place * len(data))] = value
    try:
        image = decode(bytes(data), LIMITS)
    except PhotoError:
        return
    header = read_header(bytes(data), LIMITS)
    assert image.size == (header.width, header.height)
    assert image.mode == "RGB"


@examples()
@given(st.binary(max_size=200))
def test_bytes_that_are_no_photo_are_refused(data: bytes) -> None:
    for prefix in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(PhotoError):
            read_header(prefix + data, LIMITS)
