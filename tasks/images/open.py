"""Bytes in; a photo's header or its upright RGB pixels out, within bounds. Knows no file, no group and no model.

Photos come from the field and are not trusted. A file is taken apart and judged before anything is decoded, and Pillow
sees only the parts that make the picture: what else is in it costs neither time nor memory, and no warning. Pillow's
warnings go to the terminal through filters that belong to the whole process, which threads cannot turn off for
themselves.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from configs.parts import InputConfig
from tasks.images.parts import Found, corrupt, take_apart
from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason

_SUFFIXES = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",)}
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
    """What a photo's header says: JPEG or PNG, and width and height in pixels once it is upright."""

    format: str
    width: int
    height: int


def read_header(data: bytes, limits: InputConfig, name: str | None = None) -> Header:
    """Judge a photo by what stands before its picture data, without decoding it.

    `name`, when given, must have the extension that fits the content. Raises PhotoError: empty_file, too_many_bytes,
    not_an_image, truncated_image or corrupt_image (inside the header), extension_mismatch, too_many_pixels, too_small
    or too_elongated.
    """
    found, _ = _taken_apart(data, limits)
    suffix = PurePosixPath(name).suffix.lower() if name is not None else None
    if suffix is not None and suffix not in _SUFFIXES[found.format]:
        raise PhotoError(Reason.EXTENSION_MISMATCH, f"the name ends in {suffix}, the content is {found.format}")
    if found.orientation in _SIDEWAYS:
        return Header(found.format, found.height, found.width)
    return Header(found.format, found.width, found.height)


def decode(data: bytes, limits: InputConfig) -> Image.Image:
    """The upright photo in RGB: the first picture of a file with several.

    Transparency is laid on white; 16-bit samples keep their upper eight bits. Raises PhotoError: what `read_header`
    raises, truncated_image or corrupt_image.
    """
    found, parts = _taken_apart(data, limits)
    picture = io.BytesIO(b"".join(parts))
    try:
        # Not Image.open: that judges the size by a limit of the whole process, and warns about every odd file.
        image = JpegImageFile(picture) if found.format == "JPEG" else PngImageFile(picture)
        image.load()
        turn = _UPRIGHT.get(found.orientation)
        return _rgb(image if turn is None else image.transpose(turn), found.depth)
    except MemoryError:
        raise
    except Exception as error:  # a decoder fed with hostile bytes may raise anything at all
        raise corrupt(f"the picture data cannot be decoded: {error}") from error


def _taken_apart(data: bytes, limits: InputConfig) -> tuple[Found, Iterator[bytes]]:
    if not data:
        raise PhotoError(Reason.EMPTY_FILE, "the file has no bytes; upload it again")
    if len(data) > limits.max_file_bytes:
        raise PhotoError(Reason.TOO_MANY_BYTES, f"{len(data)} bytes, more than {limits.max_file_bytes}")
    found, parts = take_apart(data)
    _judge(found.width, found.height, limits)
    return found, parts


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
    if image.mode not in {"RGBA", "LA"} and key is None:
        return image if image.mode == "RGB" else image.convert("RGB")
    if key is not None and image.mode in {"L", "RGB"}:
        # Pillow scales samples to eight bits, and not the colour that it compares them with.
        key = tuple(int(part * _SCALE.get(depth, 1)) for part in (key if isinstance(key, tuple) else (key,)))
        image.info["transparency"] = key if image.mode == "RGB" else key[0]
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    return white
