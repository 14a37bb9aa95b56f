"""Photos that the field may send, by accident or on purpose, and what must come of each. Knows no folder, no test."""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass

from PIL import Image

from tasks.records.reasons import Reason
from tests.faults.pictures import (
    Looks,
    Maker,
    animation,
    bad_sum,
    chunk,
    cmyk,
    cmyk_without_marker,
    cut,
    darker,
    dent,
    exif,
    frame,
    ftyp,
    garbage,
    grey,
    half_white,
    jpeg,
    malformed_mpo,
    more_scans,
    on_white,
    oriented,
    palette,
    png,
    raw_png,
    see_through,
    segment,
    sixteen,
    with_chunks,
    with_segments,
    ycck,
    zipped,
)

MOST_BYTES = 4 << 20
"""The `max_file_bytes` that the table is made for."""

PNG, JPG = "img1.png", "img1.jpg"


@dataclass(frozen=True, slots=True)
class Content:
    """A photo made of a picture: refused for `reason`, or published and looking as `looks` says.

    `group` is the folder that it lies in, `says` is part of the message.
    """

    group: str
    what: str
    name: str
    make: Maker
    reason: Reason | None = None
    looks: Looks = Image.Image.copy
    says: str = ""


def _bits_bomb(_: Image.Image) -> bytes:
    return raw_png((30_000, 30_000), 1, 0, bytes((1 + 30_000 // 8) * 30_000))


_ALPHAS = bytes([0, 128, 255, 64])
_BOMB = zlib.compress(bytes(32 << 20), 9)
_LOOP = ((0x8769, 4, 1, struct.pack("<L", 8)), (0x8825, 4, 1, struct.pack("<L", 8)))
_NOISE = random.Random(3).randbytes(5000)
_HUGE = (exif((0x927C, 7, 0xFFFFFFFF, b"\x40\0\0\0")), *[segment(0xE1, b"Exif\0\0" + bytes(65_000))] * 40)
_ICC = (segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(range(256)) * 9), segment(0xE2, b"ICC_PROFILE\0"))

_BAD, _CUT, _NONE, _PIXELS = Reason.CORRUPT_IMAGE, Reason.TRUNCATED_IMAGE, Reason.NOT_AN_IMAGE, Reason.TOO_MANY_PIXELS
_OTHER = Reason.UNSUPPORTED_FORMAT


def _text(name: bytes, start: bytes) -> Maker:
    return lambda picture: with_chunks(png(picture), chunk(name, start + _BOMB))


CONTENTS: tuple[Content, ...] = (
    # too much
    Content("bomb-header", "PNG, header claims 60000x60000", PNG, lambda _: raw_png((60_000,) * 2, 8, 2, b""), _PIXELS),
    Content("bomb-bits", "PNG of 110 kB with 30000x30000 one-bit zeros", PNG, _bits_bomb, _PIXELS),
    Content(
        "bomb-bytes", "4 MiB of zeros behind a JPEG", JPG, lambda p: jpeg(p) + bytes(MOST_BYTES), Reason.TOO_MANY_BYTES
    ),
    Content("bomb-ztxt", "PNG with 32 MiB of text in 32 kB (zTXt)", PNG, _text(b"zTXt", b"Comment\0\0")),
    Content("bomb-itxt", "PNG with 32 MiB of text in 32 kB (iTXt)", PNG, _text(b"iTXt", b"Comment\0\1\0\0\0")),
    Content("bomb-icc", "PNG with a colour profile of 32 MiB in 32 kB", PNG, _text(b"iCCP", b"ICC\0\0")),
    Content("scans-90", "progressive JPEG with 90 scans", JPG, more_scans(80)),
    Content("scans-510", "progressive JPEG with 510 scans", JPG, more_scans(500), _BAD, says="scans"),
    # several pictures
    Content("apng", "APNG with 40 frames: the first is the photo", PNG, animation("PNG", 40)),
    Content("mpo", "JPEG with three more pictures behind it (MPO)", JPG, animation("MPO", 3)),
    Content("mpo-broken", "JPEG with a broken index of pictures", JPG, malformed_mpo),
    Content("gif", "animated GIF named .jpg", JPG, animation("GIF", 3), _OTHER, says="GIF; convert it to JPEG"),
    Content("webp", "animated WebP named .jpg: the first is the photo", JPG, animation("WEBP", 3)),
    # other formats, and names that lie
    Content("heic", "boxes of a HEIC with a JPEG behind them", JPG, ftyp(b"heic"), _CUT),
    Content("avif", "boxes of an AVIF with a JPEG behind them", JPG, ftyp(b"avif"), _CUT),
    Content("png-as-jpg", "PNG named .jpg", JPG, png),
    Content("jpg-as-png", "JPEG named .png", PNG, jpeg),
    Content("text", "text named .jpg", JPG, lambda _: "现场照片补拍".encode() * 40, _NONE),
    Content("zip", "ZIP named .jpg", JPG, zipped, _NONE),
    Content("empty", "no bytes", JPG, lambda _: b"", Reason.EMPTY_FILE),
    # colours
    Content("cmyk", "CMYK JPEG with Adobe's marker", JPG, cmyk, looks=darker),
    Content("cmyk-plain", "CMYK JPEG without Adobe's marker", JPG, cmyk_without_marker, looks=darker),
    Content("ycck", "YCCK JPEG, as Photoshop writes", JPG, ycck, looks=darker),
    Content("grey", "grey JPEG", JPG, lambda p: jpeg(p.convert("L")), looks=grey),
    Content("grey16", "PNG with 16-bit grey", PNG, lambda p: sixteen(p.convert("L"), 0, 0), looks=grey),
    Content("rgb16", "PNG with 16-bit colours", PNG, lambda p: sixteen(p, 2, 255)),
    Content(
        "rgba16",
        "16-bit PNG, half of it transparent",
        PNG,
        lambda p: sixteen(see_through("RGB")(p), 6, 255),
        looks=half_white,
    ),
    Content(
        "bits",
        "PNG with one bit a pixel",
        PNG,
        lambda p: png(p.convert("1")),
        looks=lambda p: p.convert("1").convert("RGB"),
    ),
    Content("palette", "PNG with a palette", PNG, palette(), looks=on_white()),
    Content("palette-hole", "PNG with a palette and a transparent colour", PNG, palette(b"\0"), looks=on_white(b"\0")),
    Content(
        "palette-alpha",
        "PNG with a palette and half transparent colours",
        PNG,
        palette(_ALPHAS),
        looks=on_white(_ALPHAS),
    ),
    Content(
        "la",
        "PNG, grey, half of it transparent",
        PNG,
        lambda p: png(see_through("L")(p)),
        looks=lambda p: half_white(grey(p)),
    ),
    Content("rgba", "PNG, half of it transparent", PNG, lambda p: png(see_through("RGB")(p)), looks=half_white),
    # shapes
    Content("wide", "10000x1", PNG, lambda _: png(Image.new("L", (10_000, 1))), Reason.TOO_SMALL),
    Content("tall", "1x10000", JPG, lambda _: jpeg(Image.new("L", (1, 10_000))), Reason.TOO_SMALL),
    Content("strip", "100x10001", JPG, lambda _: jpeg(Image.new("L", (100, 10_001))), Reason.TOO_ELONGATED),
    # damage
    Content("cut-10", "JPEG cut off at 10 %", JPG, cut(jpeg, 0.1), _CUT),
    Content("cut-50", "JPEG cut off at 50 %", JPG, cut(jpeg, 0.5), _CUT),
    Content("cut-99", "JPEG cut off at 99 %", JPG, cut(jpeg, 0.99), _CUT),
    Content(
        "cut-scans",
        "progressive JPEG cut off at 70 %",
        JPG,
        cut(lambda p: jpeg(p, progressive=True), 0.7),
        _CUT,
    ),
    Content("cut-png", "PNG cut off at 50 %", PNG, cut(png, 0.5), _CUT),
    Content("garbage", "JPEG with 2 kB of garbage in the middle", JPG, garbage, _BAD),
    Content("dent", "JPEG with one bit of its data flipped: nothing in the file tells", JPG, dent),
    Content("sum-header", "PNG whose header does not match its checksum", PNG, bad_sum(b"IHDR"), _BAD),
    Content("sum-data", "PNG whose data does not match its checksum", PNG, bad_sum(b"IDAT"), _BAD),
    Content("sum-text", "PNG whose comment does not match its checksum", PNG, bad_sum(b"tEXt")),
    Content("tail-jpg", "JPEG with garbage behind its end", JPG, lambda p: jpeg(p) + _NOISE),
    Content("tail-png", "PNG with garbage behind its end", PNG, lambda p: png(p) + _NOISE),
    Content("bits-12", "JPEG with 12-bit samples", JPG, frame(4, b"\x0c"), _BAD, says="plain JPEG"),
    Content("no-height", "JPEG whose header says no height", JPG, frame(5, b"\0\0"), _BAD),
    Content(
        "cgbi",
        "PNG as Apple packs it for apps (CgBI)",
        PNG,
        lambda p: with_chunks(png(p), chunk(b"CgBI", b"P\0 \2")),
        _BAD,
    ),
    # what stands beside the picture
    Content(
        "exif-broken",
        "EXIF that is none",
        JPG,
        lambda p: with_segments(jpeg(p), segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")),
    ),
    Content("exif-0", "EXIF orientation 0", JPG, oriented(3, b"\0\0\0\0")),
    Content("exif-9", "EXIF orientation 9", JPG, oriented(3, b"\x09\0\0\0")),
    Content("exif-text", "EXIF orientation as text", JPG, oriented(2, b"six\0")),
    Content(
        "exif-loop",
        "EXIF and GPS directories that point to themselves",
        JPG,
        lambda p: with_segments(jpeg(p), exif(*_LOOP, after=8)),
    ),
    Content("exif-huge", "2.6 MB of EXIF, a tag of 4 GB in it", JPG, lambda p: with_segments(jpeg(p), *_HUGE)),
    Content("icc-jpg", "JPEG with garbage for a colour profile", JPG, lambda p: with_segments(jpeg(p), *_ICC)),
)
