"""A JPEG taken apart: what its header says, and the parts of the file that make the picture. Knows no limit of a run.

Text, colour profiles, thumbnails, further pictures and films behind the picture are passed over unread.

Whether a picture is whole is told from its data and not from its last two bytes: files that lack them are whole, and
half a file that somebody closed is not. libjpeg paints what is missing grey and says so to nobody that Pillow would
ask. So a picture of one scan is given to it without an end: where the data does not reach to the last row, the decoder
asks for more. With several scans it only begins once it has seen the end: then noise is put before the end, which
changes the picture where the last scan was not complete, and is passed over where it was. That takes twice the time.
"""

from __future__ import annotations

import io
import random
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from tasks.images.found import MOST_PARTS, Found, corrupt, cut_off
from tasks.images.orientation import from_exif, from_xmp
from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason

MAGIC = b"\xff\xd8\xff"

_MOST_SCANS = 100
"""Scans of a JPEG. Encoders write about ten; each costs a pass over the whole picture, however few bytes it has."""

# ITU-T T.81, table B.1. RSTn stands inside a scan, and 0xFF there is followed by zero.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_EOI, _SOS, _APP0, _APP1, _APP14 = 0xD9, 0xDA, 0xE0, 0xE1, 0xEE
_SEQUENTIAL, _PROGRESSIVE = frozenset({0xC0, 0xC1}), 0xC2
_FRAMES = _SEQUENTIAL | {_PROGRESSIVE, 0xC9, 0xCA}
_KEPT = _FRAMES | {0xC4, 0xCC, 0xDB, 0xDD, _SOS, _APP0, _APP14}
"""What makes the picture. APP0 (JFIF) and APP14 (Adobe) decide what its components mean."""
_SEGMENTS = _KEPT | {0xDC, 0xFE, *range(0xE0, 0xF0)}

_FILM = re.compile(rb"\0\0\0[\x08-\xff]ftyp")
"""How a film begins that a phone puts behind the picture, sometimes in place of its end."""

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_END = b"\xff\xd9"
_PADDING = bytes(32)
"""Behind the data of a single scan, since the decoder looks ahead. A block of the picture takes as much, so that a
photo passes whose last block was damaged or left out by its encoder."""
_OTHER_PADDING = b"\xfe" * len(_PADDING)
_NOISE = random.Random(1).randbytes(4096).replace(b"\xff", b"\x7f")
_STRIP = 256
"""Rows that are compared at a time."""


@dataclass(frozen=True, slots=True)
class _Segment:
    """A marker, its place, and start and end of its content; or, with a fault, where the file is not to be followed."""

    code: int
    start: int
    body: int
    end: int
    fault: PhotoError | None = None


@dataclass(slots=True)
class _Head:
    """Everything before the first scan. `components` counts those of the frame."""

    parts: list[bytes] = field(default_factory=lambda: [MAGIC[:2]])
    frame: int = 0
    width: int = 0
    height: int = 0
    components: int = 0
    exif: int | None = None
    xmp: int | None = None


class _Jpeg(JpegImageFile):  # type: ignore[misc]
    """Notes when the decoder asks for more than there is, whatever Pillow is told to do about it."""

    ran_out = False

    def load_read(self, read_bytes: int) -> bytes:
        data: bytes = self.fp.read(read_bytes)
        self.ran_out |= not data
        return data


def find_jpeg(data: bytes) -> Found:
    """What the header says. Raises PhotoError: truncated_image or corrupt_image."""
    head = _Head()
    for segment in _segments(data, 2):
        if segment.fault is not None:
            raise segment.fault
        if segment.code == _EOI:
            raise corrupt("it ends before any picture data")
        if segment.code == _SOS:
            break
        _note(head, data, segment)
    if not head.width * head.height:
        raise corrupt(f"the header names no size: {head.width}x{head.height} pixels")
    return Found("JPEG", head.width, head.height, head.exif or head.xmp or 1, lambda: _decode(data, head, segment))


def _note(head: _Head, data: bytes, segment: _Segment) -> None:
    """Keep what a segment before the first scan says."""
    code, body = segment.code, segment.body
    if code in _FRAMES:
        if head.frame or segment.end - body < 6 or data[body] != 8:
            raise corrupt("it has two frame headers, or samples that are not of 8 bits; save it as a plain JPEG")
        head.frame = code
        head.height, head.width, head.components = struct.unpack_from(">HHB", data, body + 1)
    elif code == _APP1 and head.exif is None and data.startswith(_EXIF, body):
        head.exif = from_exif(data[body : segment.end])
    elif code == _APP1 and head.xmp is None and data.startswith(_XMP, body):
        head.xmp = from_xmp(data[body + len(_XMP) : segment.end])
    if code in _KEPT:
        head.parts.append(data[segment.start : segment.end])


def _segments(data: bytes, place: int) -> Iterator[_Segment]:
    """The segments of the file's first picture from `place` on; the last one is its end, or has a fault.

    Whatever lies behind that is passed over: phones put a second picture there, or a film.
    """
    for _ in range(MOST_PARTS):
        marker = _MARKER.search(data, place)
        if marker is None:
            yield _Segment(0, len(data), len(data), len(data), cut_off(data))
            return
        code, start, end = marker[0][1], marker.start(), marker.end()
        if code == _EOI:
            yield _Segment(code, start, end, end)
            return
        # A decoder takes what is no marker here for damage, passes over it, and paints the rest of the picture anyhow.
        if code not in _SEGMENTS:
            yield _Segment(
                code, start, end, end, corrupt(f"the marker 0xFF{code:02X} at byte {start} has no place there")
            )
            return
        # The length counts itself; one below 2 is left to the decoder, which refuses it.
        body, place = end + 2, end + max(2, int.from_bytes(data[end : end + 2], "big"))
        if place > len(data):
            yield _Segment(code, start, start, start, cut_off(data))
            return
        yield _Segment(code, start, body, place)
    raise corrupt(f"it has more than {MOST_PARTS} parts; save it anew")


def _decode(data: bytes, head: _Head, scan: _Segment) -> Image.Image:
    """The stored picture, of which `scan` begins the first scan. Raises PhotoError, and what the decoder raises."""
    if head.frame in _SEQUENTIAL and data[scan.body] == head.components:
        return _single_scan(data, head, scan)
    return _several_scans(data, head, scan)


def _single_scan(data: bytes, head: _Head, scan: _Segment) -> Image.Image:
    """The picture is complete with this scan: the first marker behind it ends it, whichever that is."""
    after = next(_segments(data, scan.end))
    body = b"".join((*head.parts, _picture(data, scan.start, after)))
    image = _without_end(body + _PADDING, after.fault)
    # A file that nobody closed may have been cut off in its last block, which the padding would then end.
    if after.fault is not None and not _same(image, _without_end(body + _OTHER_PADDING, after.fault)):
        raise after.fault
    return image


def _without_end(data: bytes, fault: PhotoError | None) -> Image.Image:
    image = _Jpeg(io.BytesIO(data))
    try:
        image.load()
    except OSError:
        if not image.ran_out:
            raise
    if image.ran_out:
        raise fault or _short()
    return image


def _several_scans(data: bytes, head: _Head, first: _Segment) -> Image.Image:
    scans, finished = 0, [0] * 256
    for segment in _segments(data, first.start):
        if segment.fault is not None or segment.code == _EOI:
            break
        if segment.code in _FRAMES:
            raise corrupt("it has two frame headers; save it as a plain JPEG")
        if segment.code == _SOS:
            scans += 1
            if scans > _MOST_SCANS:
                raise corrupt(f"it has more than {_MOST_SCANS} scans; save it anew")
            _finish(finished, data[segment.body : segment.end], head.frame == _PROGRESSIVE)
    arithmetic = head.frame not in _SEQUENTIAL and head.frame != _PROGRESSIVE
    if segment.fault is not None and (arithmetic or finished.count((1 << 64) - 1) < head.components):
        raise segment.fault
    body = b"".join((*head.parts, _picture(data, first.start, segment)))
    fault = segment.fault
    image = _with_end(body + _END, fault)
    # An arithmetic coder reads zeros behind its data, and may.
    if not arithmetic and not _same(image, _with_end(body + _NOISE + _END, fault or _short())):
        raise fault or _short()
    return image


def _with_end(data: bytes, fault: PhotoError | None) -> Image.Image:
    image = _Jpeg(io.BytesIO(data))
    try:
        image.load()
    except OSError as error:
        raise fault or error from error
    return image


def _finish(finished: list[int], scan: bytes, progressive: bool) -> None:
    """Note which of the 64 coefficients of each component have all their bits with this scan (T.81, B.2.3)."""
    count = scan[0] if scan else 0
    if len(scan) < 4 + 2 * count:
        return
    first, last, bits = scan[1 + 2 * count : 4 + 2 * count]
    mask = (1 << 64) - 1 if not progressive else (1 << 64) - (1 << min(first, 63)) & ((2 << min(last, 63)) - 1)
    for component in scan[1 : 1 + 2 * count : 2]:
        finished[component] |= mask if not bits & 15 else 0


def _picture(data: bytes, start: int, after: _Segment) -> bytes:
    """The picture data up to what stands behind it. If that is no end: up to a film, without the zeros that a disk or
    an upload put there but for a few that may be its own, and without half a marker."""
    if after.fault is None:
        return data[start : after.start]
    film = _FILM.search(data, start, after.start)
    picture = data[start : film.start() if film else after.start]
    return picture[: len(picture.rstrip(b"\0")) + 2].removesuffix(b"\xff")


def _same(one: Image.Image, other: Image.Image) -> bool:
    width, height = one.size
    boxes = ((0, top, width, min(height, top + _STRIP)) for top in range(0, height, _STRIP))
    return all(one.crop(box).tobytes() == other.crop(box).tobytes() for box in boxes)


def _short() -> PhotoError:
    return PhotoError(Reason.TRUNCATED_IMAGE, "the picture data ends before the last row; upload it again")
