"""Bytes in; a photo's header or its upright RGB pixels out, within bounds. Knows no file, no group and no model.

Photos come from the field and are not trusted: the header is judged before anything is decoded, only JPEG and PNG
are opened, and whatever a decoder raises becomes a PhotoError with a typed reason.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import PurePosixPath

from PIL import ExifTags, Image

from configs.parts import InputConfig
from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason

FORMATS = ("JPEG", "PNG")
"""What is opened. Many phones write a JPEG with a second picture behind the first: Pillow calls that MPO, and the first
is the photo."""

_SUFFIXES = {"JPEG": (".jpg", ".jpeg"), "MPO": (".jpg", ".jpeg"), "PNG": (".png",)}
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
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif")


@dataclass(frozen=True, slots=True)
class Header:
    """What a photo's header says: Pillow's format name, and width and height in pixels once it is upright."""

    format: str
    width: int
    height: int


def read_header(data: bytes, limits: InputConfig, name: str | None = None) -> Header:
    """Judge a photo by its header, without decoding it.

    `name`, when given, must have the extension that fits the content. Raises PhotoError: empty_file, too_many_bytes,
    not_an_image, extension_mismatch, too_many_pixels, too_small or too_elongated.
    """
    image = _open(data, limits)
    header = _header(image)
    if name is not None:
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in _SUFFIXES[header.format]:
            raise PhotoError(Reason.EXTENSION_MISMATCH, f"the name ends in {suffix}, the content is {header.format}")
    return header


def decode(data: bytes, limits: InputConfig) -> Image.Image:
    """The upright photo in RGB. Transparency is laid on white; 16-bit samples keep their upper eight bits.

    Raises PhotoError: what `read_header` raises, truncated_image or corrupt_image.
    """
    image = _open(data, limits)
    try:
        image.load()
        # Not ImageOps.exif_transpose: that writes the EXIF anew and fails where any other tag is broken.
        turn = _UPRIGHT.get(_orientation(image))
        return _rgb(image if turn is None else image.transpose(turn))
    except MemoryError:
        raise
    except Exception as error:  # a decoder fed with hostile bytes may raise anything at all
        if is_complete(data):
            raise PhotoError(Reason.CORRUPT_IMAGE, f"the picture data cannot be decoded: {error}") from error
        raise PhotoError(
            Reason.TRUNCATED_IMAGE, f"the file ends after {len(data)} bytes, before the picture does; upload it again"
        ) from error


def is_complete(data: bytes) -> bool:
    """Whether a JPEG or PNG has its end.

    JPEG (ITU-T T.81, B.1.1.3): an EOI marker behind the last start of scan; inside a scan 0xFF is always stuffed, so
    that neither marker can occur by chance. PNG (ISO/IEC 15948, 5.3): an IEND chunk.
    """
    if data.startswith(b"\x89PNG"):
        return b"IEND" in data
    return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")


def _open(data: bytes, limits: InputConfig) -> Image.Image:
    if not data:
        raise PhotoError(Reason.EMPTY_FILE, "the file has no bytes; upload it again")
    if len(data) > limits.max_file_bytes:
        raise PhotoError(Reason.TOO_MANY_BYTES, f"{len(data)} bytes, more than {limits.max_file_bytes}")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise PhotoError(Reason.TOO_MANY_PIXELS, f"more pixels than {limits.max_decode_pixels}") from error
    except MemoryError:
        raise
    except Exception as error:
        if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
            raise PhotoError(Reason.NOT_AN_IMAGE, "HEIC or AVIF content; convert it to JPEG") from error
        if data.startswith((b"\xff\xd8", b"\x89PNG")) and not is_complete(data):
            raise PhotoError(
                Reason.TRUNCATED_IMAGE, f"the file ends after {len(data)} bytes, inside its header; upload it again"
            ) from error
        raise PhotoError(Reason.NOT_AN_IMAGE, "the content is neither JPEG nor PNG") from error
    width, height = image.size
    if width * height > limits.max_decode_pixels:
        raise PhotoError(
            Reason.TOO_MANY_PIXELS, f"{width}x{height} pixels, more than {limits.max_decode_pixels} in all"
        )
    if min(width, height) < limits.min_side:
        raise PhotoError(Reason.TOO_SMALL, f"{width}x{height} pixels; the shorter side is below {limits.min_side}")
    if max(width, height) > limits.max_aspect * min(width, height):
        raise PhotoError(Reason.TOO_ELONGATED, f"{width}x{height} pixels; one side is over {limits.max_aspect:g} times")
    return image


def _header(image: Image.Image) -> Header:
    width, height = image.size
    if _orientation(image) in _SIDEWAYS:
        width, height = height, width
    return Header(format=image.format or "", width=width, height=height)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken EXIF does not make a photo unreadable; it is taken as upright
        return 1
    return value if isinstance(value, int) else 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda sample: sample * (1 / 256)).convert("L").convert("RGB")
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
