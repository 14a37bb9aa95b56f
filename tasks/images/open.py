"""Bytes in; a photo's header or its upright RGB pixels out, within bounds. Knows no file, no group and no model.

Photos come from the field and are not trusted. A file is taken apart and judged before anything is decoded. Of JPEG,
PNG and WebP, Pillow sees only the parts that make the picture: what else is in it costs neither time nor memory, and no
warning. Pillow's warnings go to the terminal through filters that belong to the whole process, which threads cannot
turn off for themselves.

What is read, and why no more: JPEG and PNG; WebP and HEIC, which phones and messengers send every day; AVIF, whose
decoder comes with Pillow. GIF, BMP, TIFF and RAW come from no phone's camera, and each decoder more is one more that
hostile bytes reach: they are refused by name, with what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image

from configs.parts import InputConfig
from tasks.images.budget import PIXELS
from tasks.images.content import content_of
from tasks.images.found import Found, corrupt
from tasks.images.heif import find_avif, find_heif
from tasks.images.jpeg import find_jpeg
from tasks.images.png import find_png
from tasks.images.webp import find_webp
from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason

_FINDERS: dict[str, Callable[[bytes], Found]] = {
    "JPEG": find_jpeg,
    "PNG": find_png,
    "WebP": find_webp,
    "HEIF": find_heif,
    "AVIF": find_avif,
}
_SCALE = {2: 255 / 3, 4: 255 / 15, 16: 1 / 256}
"""What a sample of so many bits is multiplied with to have eight."""

_SIDEWAYS = (5, 6, 7, 8)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.32, 4.6.4.A, Orientation: what turns the stored picture upright."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a photo's header says: its format, and width and height in pixels once it is upright."""

    format: str
    width: int
    height: int


def read_header(data: bytes, limits: InputConfig) -> Header:
    """Judge a photo by what stands before its picture data, without decoding it; its name does not count.

    Raises PhotoError: empty_file, too_many_bytes, not_an_image, unsupported_format, truncated_image or corrupt_image
    (as far as the header tells), too_many_pixels, too_small or too_elongated.
    """
    found = _find(data, limits)
    if found.orientation in _SIDEWAYS:
        return Header(found.format, found.height, found.width)
    return Header(found.format, found.width, found.height)


def decode(data: bytes, limits: InputConfig) -> Image.Image:
    """The upright photo in RGB: the first picture of a file with several.

    Transparency is laid on white; 16-bit samples keep their upper eight bits. Raises PhotoError: what `read_header`
    raises, truncated_image or corrupt_image.
    """
    with decoding(data, limits) as image:
        return image


@contextmanager
def decoding(data: bytes, limits: InputConfig) -> Iterator[Image.Image]:
    """`decode`, for whoever makes the picture smaller inside: until then its pixels count as in flight.

    All threads of a process together have at most as many in flight as the largest photo that `limits` accept. Inside,
    nothing else may be decoded. Raises what `decode` raises.
    """
    found = _find(data, limits)
    with PIXELS.hold(found.width * found.height, limits.max_decode_pixels):
        yield _upright(found)


def _upright(found: Found) -> Image.Image:
    try:
        image = found.decode()
        if image.size != (found.width, found.height):
            raise corrupt(f"the header says {found.width}x{found.height} pixels, the picture has {image.size}")
        turn = _UPRIGHT.get(found.orientation)
        return _rgb(image if turn is None else image.transpose(turn), found.depth)
    except (MemoryError, PhotoError):
        raise
    except Exception as error:  # a decoder fed with hostile bytes may raise anything at all
        raise corrupt(f"the picture data cannot be decoded: {error}") from error


def _find(data: bytes, limits: InputConfig) -> Found:
    if not data:
        raise PhotoError(Reason.EMPTY_FILE, "the file has no bytes; upload it again")
    if len(data) > limits.max_file_bytes:
        raise PhotoError(Reason.TOO_MANY_BYTES, f"{len(data)} bytes, more than {limits.max_file_bytes}")
    content = content_of(data)
    if content.picture:
        raise PhotoError(Reason.UNSUPPORTED_FORMAT, f"the content is {content.picture}; convert it to JPEG")
    if content.format is None:
        what = f"the content is {content.else_}" if content.else_ else "the content is no picture that is known"
        raise PhotoError(Reason.NOT_AN_IMAGE, what)
    found = _FINDERS[content.format](data)
    _judge(found.width, found.height, limits)
    return found


def _judge(width: int, height: int, limits: InputConfig) -> None:
    size = f"{width}x{height} pixels"
    if width * height > limits.max_decode_pixels:
        raise PhotoError(Reason.TOO_MANY_PIXELS, f"{size}, more than {limits.max_decode_pixels} in all")
    if min(width, height) < limits.min_side:
        raise PhotoError(Reason.TOO_SMALL, f"{size}; the shorter side is below {limits.min_side}")
    if max(width, height) > limits.max_aspect * min(width, height):
        raise PhotoError(Reason.TOO_ELONGATED, f"{size}; one side is over {limits.max_aspect:g} times the other")


def _rgb(image: Image.Image, depth: int) -> Image.Image:
    key = image.info.get("transparency")
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda sample: sample * _SCALE[16]).convert("L")
    if image.mode not in {"RGBA", "LA", "RGBa", "La"} and key is None:
        return image if image.mode == "RGB" else image.convert("RGB")
    if key is not None and image.mode in {"L", "RGB"}:
        # Pillow scales samples to eight bits, and not the colour that it compares them with.
        key = tuple(int(part * _SCALE.get(depth, 1)) for part in (key if isinstance(key, tuple) else (key,)))
        image.info["transparency"] = key if image.mode == "RGB" else key[0]
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    return white
