"""HEIC and AVIF: their boxes are read and their pictures decoded by libheif and libavif. Knows no limit of a run.

pillow-heif brings libheif with one decoder, libde265; it is imported when the first HEIC is met, so that a site without
any never loads it. Both libraries name the size before they decode, and refuse a picture that turns out larger. What
turns a picture upright is in the boxes, and applied here; EXIF repeats it, and does not count.
"""

from __future__ import annotations

import io
from typing import Any

from PIL import ExifTags, Image
from PIL.AvifImagePlugin import AvifImageFile

from tasks.images.found import Found, corrupt, cut_off
from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason

_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF = frozenset({b"avif", b"avis"})


def kind_of(data: bytes) -> str | None:
    """HEIF or AVIF, by the brands of the file's first box (ISO/IEC 14496-12, 4.3); None if it is neither."""
    if data[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[place : place + 4] for place in range(16, end, 4))]
    if _AVIF.intersection(brands) and brands[0] not in (b"heic", b"heix"):
        return "AVIF"
    return "HEIF" if _HEIF.intersection(brands) else None


def find_heif(data: bytes) -> Found:
    """What the boxes say. Raises PhotoError: truncated_image, corrupt_image; unsupported_format without pillow-heif."""
    _check_boxes(data)
    try:
        picture = _open_heif(data)
        width, height = picture.size
    except (MemoryError, PhotoError):
        raise
    except Exception as error:  # a library fed with hostile bytes may raise anything at all
        raise corrupt(f"it is HEIC and cannot be read: {error}; save it as JPEG") from error
    return Found("HEIF", width, height, 1, picture.to_pillow)


def find_avif(data: bytes) -> Found:
    """What the boxes say. Raises PhotoError: truncated_image or corrupt_image."""
    _check_boxes(data)
    try:
        image = AvifImageFile(io.BytesIO(data))
        turned = image.getexif().get(ExifTags.Base.Orientation, 1)
    except MemoryError:
        raise
    except Exception as error:
        raise corrupt(f"it is AVIF and cannot be read: {error}; save it as JPEG") from error

    def decode() -> Image.Image:
        image.load()
        return image

    return Found("AVIF", image.width, image.height, turned if turned in range(1, 9) else 1, decode)


def _open_heif(data: bytes) -> Any:
    try:
        import pillow_heif
    except ImportError as error:
        missing = "the content is HEIC, and the package pillow-heif is not installed; convert it to JPEG"
        raise PhotoError(Reason.UNSUPPORTED_FORMAT, missing) from error

    options = pillow_heif.options
    # Photos are decoded in threads of our own.
    options.DECODE_THREADS, options.THUMBNAILS, options.DEPTH_IMAGES, options.AUX_IMAGES = 1, False, False, False
    file = pillow_heif.open_heif(data)
    return file[file.primary_index]


def _check_boxes(data: bytes) -> None:
    """Raises PhotoError if the file ends before a box does. One of length 0 reaches to the end, whichever that is."""
    place = 0
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if length == 1:
            length = int.from_bytes(data[place + 8 : place + 16], "big")
        if length == 0:
            return
        if length < 8:
            if place == 0:
                raise corrupt("its first box has a wrong length")
            return  # what follows the last box
        if place + length > len(data):
            raise cut_off(data)
        place += length
