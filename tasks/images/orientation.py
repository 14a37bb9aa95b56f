"""Which way round a photo was taken, from EXIF or XMP. Reads untrusted bytes within bounds, and raises nothing.

A tag that is not there or says something impossible costs no photo: the answer is then None.
"""

from __future__ import annotations

import re
import struct
import zlib

_INTEGERS = {1: "B", 3: "H", 4: "L"}
"""TIFF 6.0, field types BYTE, SHORT and LONG, as struct writes them."""

_ORIENTATION = 0x0112
_EXIF = b"Exif\0\0"
_MOST_TEXT = 1 << 20
"""Most bytes of a text that are unpacked or looked at: EXIF has at most 64 kB, twice that in hexadecimal digits."""

# XMP, part 1, 7.9.2.2 and C.2.5: a property of RDF is an attribute or an element.
_XMP = re.compile(rb"""\btiff:Orientation\s*(?:=\s*["']\s*(\d)\s*["']|>\s*(\d)\s*</)""")

_XMP_KEYWORD = b"XML:com.adobe.xmp"
PNG_KEYWORDS = (b"Raw profile type exif", b"Raw profile type APP1", _XMP_KEYWORD)
"""Keywords of a PNG's texts that hold EXIF, as ImageMagick's hexadecimal digits, or XMP; what counts more, first."""


def from_exif(exif: bytes) -> int | None:
    """The orientation (1 to 8) of an EXIF block, with or without its `Exif` head, by TIFF 6.0, section 2.

    Only this one tag is looked for, in the first directory, so that loops and offsets of the others lead nowhere.
    """
    exif = exif.removeprefix(_EXIF)
    order = "<" if exif.startswith(b"II") else ">"
    try:
        place = struct.unpack_from(f"{order}L", exif, 4)[0]
        for entry in range(struct.unpack_from(f"{order}H", exif, place)[0]):
            tag, kind, count = struct.unpack_from(f"{order}HHL", exif, place + 2 + 12 * entry)
            if tag == _ORIENTATION and kind in _INTEGERS and count:
                return _known(struct.unpack_from(f"{order}{_INTEGERS[kind]}", exif, place + 10 + 12 * entry)[0])
    except struct.error:
        pass
    return None


def from_xmp(xmp: bytes) -> int | None:
    """The orientation of an XMP packet, which is searched and not parsed: entities lead nowhere."""
    told = _XMP.search(xmp, 0, _MOST_TEXT)
    return _known(int(told[1] or told[2])) if told else None


def from_png_text(name: bytes, content: bytes) -> int | None:
    """The orientation that a tEXt, zTXt or iTXt chunk of a PNG says under one of `PNG_KEYWORDS`."""
    keyword, _, rest = content.partition(b"\0")
    if name == b"iTXt":  # packed or not and how; language and translated keyword, a zero behind each; text
        packed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    else:
        packed, text = name == b"zTXt", rest[1:] if name == b"zTXt" else rest
    text = _unpacked(text) if packed else text[:_MOST_TEXT]
    if keyword == _XMP_KEYWORD:
        return from_xmp(text)
    try:  # a line end, the profile's name, its length, and the digits
        block = bytes.fromhex(b"".join(text.split()[2:]).decode("ascii"))
    except ValueError:
        return None
    return from_exif(block[max(0, block.find(_EXIF)) :])


def _known(value: int) -> int | None:
    return value if 1 <= value <= 8 else None


def _unpacked(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MOST_TEXT)
    except zlib.error:
        return b""
