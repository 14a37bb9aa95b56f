"""A PNG taken apart: what its header says, and the chunks that make the picture. Knows no limit of a run.

Text, colour profiles and further frames are passed over unread. Whether the picture is whole, the decoder says: a file
that only lacks its end is.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from tasks.images.found import MOST_PARTS, Found, corrupt, cut_off
from tasks.images.orientation import PNG_KEYWORDS, from_exif, from_png_text
from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason

MAGIC = b"\x89PNG\r\n\x1a\n"

# ISO/IEC 15948, 11.2 and 11.3.2.1.
_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_END = b"\0\0\0\0IEND\xae\x42\x60\x82"

# ISO/IEC 15948, table 11.1 and 8.2: samples a pixel by colour type; first column and row, and steps, of each pass.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_AT_ONCE = 1 << 16

_Chunk = tuple[bytes, int, int]


class _Png(PngImageFile):  # type: ignore[misc]
    """Notes when the decoder asks for more than there is, whatever Pillow is told to do about it."""

    ran_out = False

    def load_read(self, read_bytes: int) -> bytes:
        data: bytes = super().load_read(read_bytes)
        self.ran_out |= not data
        return data


def find_png(data: bytes) -> Found:
    """What the header says. Raises PhotoError: truncated_image or corrupt_image."""
    head, size = [MAGIC], (0, 0, 8)
    chunks = _chunks(data)
    for name, start, end in chunks:
        if (name == b"IHDR") is not (start == len(MAGIC)):
            raise corrupt("the header is not the first chunk, or stands twice")
        if not _kept(data, name, start, end):
            continue
        if name == b"IHDR":
            if end - start != 25:
                raise corrupt("the header has a wrong length")
            size = struct.unpack_from(">LLB", data, start + 8)
        if name in (b"IDAT", b"IEND"):
            break
        head.append(data[start:end])
    if name != b"IDAT":
        raise corrupt("it ends before any picture data")
    width, height, depth = size
    if not width * height:
        raise corrupt(f"the header names no size: {width}x{height} pixels")
    return Found("PNG", width, height, _orientation(data), lambda: _decode(data, head, start), depth)


def _decode(data: bytes, head: list[bytes], first: int) -> Image.Image:
    """The stored picture, whose data begins at `first`. Raises PhotoError, and what the decoder raises."""
    parts, fault = [*head], None
    try:
        for name, start, end in _chunks(data, first):
            if _kept(data, name, start, end):
                parts.append(data[start:end])
    except PhotoError as error:
        if error.reason is not Reason.TRUNCATED_IMAGE:
            raise
        fault = error
        parts.append(_END)
    image = _Png(io.BytesIO(b"".join(parts)))
    try:
        image.load()
    except OSError:
        if not image.ran_out:
            raise
    if image.ran_out or not _has_all_rows(image, parts):
        short = PhotoError(Reason.TRUNCATED_IMAGE, "the picture data ends before the last row; upload it again")
        raise fault or short
    return image


def _has_all_rows(image: Image.Image, parts: list[bytes]) -> bool:
    """Whether there is data for every row: Pillow leaves rows black for which there is none, and says nothing.

    So rows are only counted where the last one is black, or rows do not come in order.
    """
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">LLBBBBB", parts[1], 8)
    if not interlaced and any(image.crop((0, height - 1, width, height)).tobytes()):
        return True
    bits = depth * _SAMPLES.get(colour, 1)
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = ((-(-(width - left) // across), -(-(height - top) // down)) for left, top, across, down in passes)
    missing: int = sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0 and rows > 0)
    unpacker = zlib.decompressobj()
    for part in parts:
        packed = part[8:-4] if part[4:8] == b"IDAT" else b""
        while packed and missing > 0 and not unpacker.eof:
            missing -= len(unpacker.decompress(packed, _AT_ONCE))
            packed = unpacker.unconsumed_tail
    if missing > 0:
        missing -= len(unpacker.flush())
    return missing <= 0


def _orientation(data: bytes) -> int:
    """EXIF's, else XMP's. Tools put either before the picture data or behind it; a damaged one costs no photo."""
    told: dict[bytes, int | None] = {}
    with suppress(PhotoError):
        for name, start, end in _chunks(data):
            body = start + 8
            if name == b"eXIf":
                told.setdefault(name, from_exif(data[body : end - 4]))
            elif name in _TEXTS:
                for keyword in PNG_KEYWORDS:
                    # The first of its kind counts, so that no number of texts that unpack to a lot costs anything.
                    if keyword not in told and data.startswith(keyword + b"\0", body):
                        told[keyword] = from_png_text(name, data[body : end - 4])
    return next((told[place] for place in (b"eXIf", *PNG_KEYWORDS) if told.get(place)), None) or 1


def _kept(data: bytes, name: bytes, start: int, end: int) -> bool:
    """Whether a chunk makes the picture. Raises PhotoError where it does, and is damaged or not known."""
    if name not in _CHUNKS:
        if not name[0] & 0x20:
            raise corrupt(f"the chunk at byte {start} is needed for the picture and not known")
        return False
    if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
        raise corrupt(f"the chunk at byte {start} does not match its checksum; upload it again")
    return True


def _chunks(data: bytes, place: int = len(MAGIC)) -> Iterator[_Chunk]:
    """Name, start and end of every chunk from `place` on."""
    for _ in range(MOST_PARTS):
        start, place = place, place + 12 + int.from_bytes(data[place : place + 4], "big")
        if place > len(data):
            raise cut_off(data)
        name = data[start + 4 : start + 8]
        yield name, start, place
        if name == b"IEND":
            return
    raise corrupt(f"it has more than {MOST_PARTS} parts; save it anew")
