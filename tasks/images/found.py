"""What is known of a photo before it is decoded, and the errors of all formats. Knows no format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason

MOST_PARTS = 100_000
"""Segments of a JPEG, or chunks. A PNG of 64 MiB in the usual chunks of 8 KiB has 8,192."""


@dataclass(slots=True)
class Found:
    """What a header says. Sides are those of the stored picture, `depth` is bits a sample; `orientation` is EXIF's, and
    still to be applied. `decode` gives the stored picture, in any mode of Pillow's, and raises PhotoError or whatever
    a decoder raises."""

    format: str
    width: int
    height: int
    orientation: int
    decode: Callable[[], Image.Image]
    depth: int = 8


def cut_off(data: bytes) -> PhotoError:
    """The error of a file that ends before its picture does."""
    return PhotoError(Reason.TRUNCATED_IMAGE, f"the file is cut off after {len(data)} bytes; upload it again")


def corrupt(detail: str) -> PhotoError:
    """The error of a file that is complete and cannot be decoded."""
    return PhotoError(Reason.CORRUPT_IMAGE, detail)
