"""A WebP taken apart: what its header says, and the chunks that make the first picture. Knows no limit of a run.

Colour profiles, text and further frames are passed over unread, so that libwebp sees one picture.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from tasks.images.found import MOST_PARTS, Found, corrupt, cut_off
from tasks.images.orientation import from_exif, from_xmp

_PICTURES = (b"VP8 ", b"VP8L")
_FEW = 0x12
"""Flags of VP8X that stay: alpha and animation. Those of colour profile, EXIF and XMP go with their chunks."""


def find_webp(data: bytes) -> Found:
    """What the header says, by RFC 9649. Raises PhotoError: truncated_image or corrupt_image."""
    parts, size, exif, xmp = [], (0, 0), None, None
    drawn = False
    for name, body, end in _chunks(data):
        if name == b"EXIF":
            exif = exif or from_exif(data[body:end])
        elif name == b"XMP ":
            xmp = xmp or from_xmp(data[body:end])
        elif drawn:
            continue
        elif name == b"VP8X":
            size = _canvas(data[body:end])
            parts.append(_chunk(name, bytes([data[body] & _FEW]) + data[body + 1 : end]))
        elif name in (b"ANIM", b"ALPH", b"ANMF", *_PICTURES):
            parts.append(_chunk(name, data[body:end]))
            drawn = name == b"ANMF" or name in _PICTURES
            if size == (0, 0):
                size = _frame(name, data[body:end])
    if not drawn:
        raise corrupt("it ends before any picture data")
    width, height = size
    if not width * height:
        raise corrupt(f"the header names no size: {width}x{height} pixels")
    return Found("WebP", width, height, exif or xmp or 1, lambda: _decode(parts))


def _decode(parts: list[bytes]) -> Image.Image:
    body = b"WEBP" + b"".join(parts)
    image = WebPImageFile(io.BytesIO(b"RIFF" + struct.pack("<L", len(body)) + body))
    image.load()
    return image


def _canvas(content: bytes) -> tuple[int, int]:
    if len(content) < 10:
        raise corrupt("the header has a wrong length")
    width, height = (int.from_bytes(content[place : place + 3], "little") + 1 for place in (4, 7))
    return width, height


def _frame(name: bytes, content: bytes) -> tuple[int, int]:
    """Width and height of a file with a single chunk, which has them in its first bytes."""
    if name == b"VP8 " and len(content) >= 10 and content[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", content, 6)
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L" and len(content) >= 5 and content[0] == 0x2F:
        bits = int.from_bytes(content[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise corrupt("the picture data has no header")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, and start and end of the content, of every chunk; what lies behind the file's own end is passed over."""
    last = 8 + int.from_bytes(data[4:8], "little")
    if last > len(data):
        raise cut_off(data)
    place = 12
    for _ in range(MOST_PARTS):
        if place + 8 > last:
            return
        name, body = data[place : place + 4], place + 8
        end = body + int.from_bytes(data[place + 4 : body], "little")
        if end > len(data):
            raise cut_off(data)
        yield name, body, end
        place = end + end % 2
    raise corrupt(f"it has more than {MOST_PARTS} parts; save it anew")


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<L", len(content)) + content + bytes(len(content) % 2)
