"""A JPEG or PNG taken apart: what its header says, and the parts of the file that make the picture. Decodes nothing.

Knows the two formats, no limit of a run and no Pillow. Text, colour profiles, thumbnails, further pictures and frames
are passed over unread.
"""

from __future__ import annotations

import itertools
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_OTHERS = (
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (8, b"WEBP", "WebP"),
    (8, b"avif", "AVIF"),
    (8, b"avis", "AVIF"),
    *((8, brand, "HEIC") for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")),
)
"""Other pictures by their first bytes, so that the message can say what to do."""

_MOST_PARTS = 100_000
"""Segments of a JPEG or chunks of a PNG. A file of 64 MiB in the usual chunks of 8 KiB has 8,192."""
_MOST_SCANS = 100
"""Scans of a JPEG. Encoders write about ten; each costs a pass over the whole picture, however few bytes it has."""

# ITU-T T.81, table B.1. RSTn stands inside a scan, and 0xFF there is followed by zero.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_EOI, _SOS, _APP0, _APP1, _APP14 = 0xD9, 0xDA, 0xE0, 0xE1, 0xEE
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_KEPT = _FRAMES | {0xC4, 0xCC, 0xDB, 0xDD, _SOS, _APP0, _APP14}
"""What makes the picture. APP0 (JFIF) and APP14 (Adobe) decide what its components mean."""
_SEGMENTS = _KEPT | {0xDC, 0xFE, *range(0xE0, 0xF0)}

# ISO/IEC 15948, 11.2 and 11.3.2.1.
_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_INTEGERS = {1: "B", 3: "H", 4: "L"}
"""TIFF 6.0, field types BYTE, SHORT and LONG, as struct writes them."""


@dataclass(slots=True)
class Found:
    """What is known of a file so far; sides are those of the stored picture, `depth` is bits a sample."""

    format: str
    width: int = 0
    height: int = 0
    depth: int = 8
    orientation: int = 1


def take_apart(data: bytes) -> tuple[Found, Iterator[bytes]]:
    """What the header says, and the parts of the file that make the picture, which are checked on their way.

    Raises PhotoError, at once or on the way: not_an_image, truncated_image or corrupt_image.
    """
    if data[:3] == _JPEG[: len(data)]:
        found = Found("JPEG")
        parts = _jpeg_parts(data, found)
    elif data[:8] == _PNG[: len(data)]:
        found = Found("PNG")
        parts = _png_parts(data, found)
    else:
        kind = next((kind for place, magic, kind in _OTHERS if data.startswith(magic, place)), None)
        detail = f"the content is {kind}; convert it to JPEG" if kind else "the content is neither JPEG nor PNG"
        raise PhotoError(Reason.NOT_AN_IMAGE, detail)
    head = next(parts)
    if not found.width * found.height:
        raise corrupt(f"the header names no size: {found.width}x{found.height} pixels")
    return found, itertools.chain((head,), parts)


def _jpeg_parts(data: bytes, found: Found) -> Iterator[bytes]:
    """First everything before the first scan, then the rest of the first picture; fills `found` on the way."""
    head, scans, first, oriented = [_JPEG[:2]], 0, 0, False
    for code, start, body, end in _jpeg_segments(data):
        if code == _SOS:
            if not found.width:
                raise corrupt("the first scan has no frame header, or one without a size")
            scans += 1
            if scans == 1:
                first = start
                yield b"".join(head)
            elif scans > _MOST_SCANS:
                raise corrupt(f"it has more than {_MOST_SCANS} scans; save it anew")
        elif code == _EOI:
            if not scans:
                raise corrupt("it ends before any picture data")
            yield data[first:end]
        elif code in _FRAMES:
            if found.width or end - body < 6 or data[body] != 8:
                raise corrupt("it has two frame headers, or samples that are not of 8 bits; save it as a plain JPEG")
            found.height, found.width = struct.unpack_from(">HH", data, body + 1)
        elif code == _APP1 and not oriented and data.startswith(b"Exif\0\0", body):
            found.orientation, oriented = _orientation(data[body + 6 : end]), True
        if code in _KEPT and not scans:
            head.append(data[start:end])


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Marker, its place, and start and end of its content, for every segment of the file's first picture.

    Whatever lies behind that is passed over: phones put a second picture there, or a film.
    """
    end = 2
    for _ in range(_MOST_PARTS):
        marker = _MARKER.search(data, end)
        if marker is None:
            raise _cut(data)
        code, start, end = marker[0][1], marker.start(), marker.end()
        if code == _EOI:
            yield code, start, end, end
            return
        # A decoder takes what is no marker here for damage, passes over it, and paints the rest of the picture anyhow.
        if code not in _SEGMENTS:
            raise corrupt(f"the marker 0xFF{code:02X} at byte {start} has no place there")
        # The length counts itself; one below 2 is left to the decoder, which refuses it.
        body, end = end + 2, end + max(2, int.from_bytes(data[end : end + 2], "big"))
        if end > len(data):
            raise _cut(data)
        yield code, start, body, end
    raise corrupt(f"it has more than {_MOST_PARTS} parts; save it anew")


def _png_parts(data: bytes, found: Found) -> Iterator[bytes]:
    """First everything before the picture data, then that, chunk by chunk; fills `found` on the way."""
    head, started, oriented = [_PNG], False, False
    for name, start, end in _png_chunks(data):
        body = start + 8
        if (name == b"IHDR") is not (start == len(_PNG)):
            raise corrupt("the header is not the first chunk, or stands twice")
        if name not in _CHUNKS:
            if not name[0] & 0x20:
                raise corrupt(f"the chunk at byte {start} is needed for the picture and not known")
            if name == b"eXIf" and not started and not oriented:
                found.orientation, oriented = _orientation(data[body : end - 4]), True
            continue
        if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise corrupt(f"the chunk at byte {start} does not match its checksum; upload it again")
        if name == b"IHDR":
            if end - body != 17:
                raise corrupt("the header has a wrong length")
            found.width, found.height, found.depth = struct.unpack_from(">LLB", data, body)
        if name == b"IDAT" and not started:
            started = True
            yield b"".join(head)
        if started:
            yield data[start:end]
        else:
            head.append(data[start:end])
    if not started:
        raise corrupt("it ends before any picture data")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of every chunk."""
    end = len(_PNG)
    for _ in range(_MOST_PARTS):
        start, end = end, end + 12 + int.from_bytes(data[end : end + 4], "big")
        if end > len(data):
            raise _cut(data)
        name = data[start + 4 : start + 8]
        yield name, start, end
        if name == b"IEND":
            return
    raise corrupt(f"it has more than {_MOST_PARTS} parts; save it anew")


def _orientation(exif: bytes) -> int:
    """The EXIF orientation, by TIFF 6.0, section 2; 1 (upright) where it cannot be read: that costs no photo.

    Only this one tag is looked for, in the first directory, so that loops and offsets of the others lead nowhere.
    """
    order = "<" if exif.startswith(b"II") else ">"
    try:
        place = struct.unpack_from(f"{order}L", exif, 4)[0]
        for entry in range(struct.unpack_from(f"{order}H", exif, place)[0]):
            tag, kind, count = struct.unpack_from(f"{order}HHL", exif, place + 2 + 12 * entry)
            if tag == 0x0112 and kind in _INTEGERS and count:
                return int(struct.unpack_from(f"{order}{_INTEGERS[kind]}", exif, place + 10 + 12 * entry)[0])
    except struct.error:
        pass
    return 1


def _cut(data: bytes) -> PhotoError:
    return PhotoError(Reason.TRUNCATED_IMAGE, f"the file is cut off after {len(data)} bytes; upload it again")


def corrupt(detail: str) -> PhotoError:
    """The error of a file that is complete and cannot be decoded."""
    return PhotoError(Reason.CORRUPT_IMAGE, detail)
