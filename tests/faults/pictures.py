"""Writes odd JPEGs and PNGs byte by byte, and says how they must look. Knows no outcome and no test."""

from __future__ import annotations

import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

from PIL import Image, ImageDraw

Maker = Callable[[Image.Image], bytes]
Looks = Callable[[Image.Image], Image.Image]

COLOURS = ((200, 40, 30), (30, 160, 60), (40, 60, 190), (210, 190, 40))


def quarters(size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A quarter in each of `COLOURS`, with lines across so that a file of it has some data, and a plain middle each."""
    image = Image.new("RGB", size)
    width, height = size
    boxes = [(index % 2 * width // 2, index // 2 * height // 2) for index in range(4)]
    pen = ImageDraw.Draw(image)
    for (left, top), colour in zip(boxes, COLOURS, strict=True):
        pen.rectangle((left, top, left + width // 2, top + height // 2), fill=colour)
    for x in range(0, width, 7):
        pen.line((x, 0, width - x, height), fill=(x % 256, 90, 255 - x % 256))
    for (left, top), colour in zip(boxes, COLOURS, strict=True):
        middle = (left + width // 4, top + height // 4)
        pen.rectangle((middle[0] - 9, middle[1] - 9, middle[0] + 9, middle[1] + 9), fill=colour)
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a picture."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(picture: Image.Image, **options: object) -> bytes:
    """A plain JPEG."""
    return encoded(picture, "JPEG", **{"quality": 92, **options})


def png(picture: Image.Image, **options: object) -> bytes:
    """A plain PNG."""
    return encoded(picture, "PNG", **options)


def segment(code: int, content: bytes) -> bytes:
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, code, len(content) + 2) + content


def with_segments(data: bytes, *segments: bytes) -> bytes:
    """A JPEG with more segments at its beginning."""
    return data[:2] + b"".join(segments) + data[2:]


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">L", len(content)) + name + content + struct.pack(">L", zlib.crc32(name + content))


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with more chunks behind its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def raw_png(size: tuple[int, int], depth: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG of filtered rows; `depth` and `colour` as in its header."""
    header = chunk(b"IHDR", struct.pack(">LLBBBBB", *size, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def resealed(data: bytes) -> bytes:
    """A PNG whose checksums fit what is in it, as far as its chunks can be followed."""
    sealed, place = bytearray(data[:8]), 8
    while (end := place + 8 + int.from_bytes(data[place : place + 4], "big")) + 4 <= len(data):
        sealed += data[place:end] + struct.pack(">L", zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(sealed) + data[place:]


def exif(*tags: tuple[int, int, int, bytes], after: int = 0) -> bytes:
    """An APP1 segment with exactly these tags: number, type, count, four bytes of value or offset."""
    entries = b"".join(struct.pack("<HHL4s", *tag) for tag in tags)
    return segment(0xE1, b"Exif\0\0II*\0" + struct.pack("<LH", 8, len(tags)) + entries + struct.pack("<L", after))


def oriented(kind: int, value: bytes) -> Maker:
    """A JPEG with an EXIF orientation of some field type."""
    return lambda picture: with_segments(jpeg(picture), exif((0x0112, kind, len(value) if kind == 2 else 1, value)))


def cut(make: Maker, share: float) -> Maker:
    """The first bytes of a file."""

    def made(picture: Image.Image) -> bytes:
        data = make(picture)
        return data[: int(len(data) * share)]

    return made


def _inks(picture: Image.Image) -> list[Image.Image]:
    return [*picture.convert("CMYK").split()[:3], Image.new("L", picture.size, 51)]


def darker(picture: Image.Image) -> Image.Image:
    """How a picture looks under a fifth of black ink."""
    return picture.point(lambda sample: sample * 204 // 255)


def cmyk(picture: Image.Image) -> bytes:
    """A JPEG with four inks, a fifth of black among them, and Adobe's marker."""
    return jpeg(Image.merge("CMYK", _inks(picture)), subsampling=0)


def cmyk_without_marker(picture: Image.Image) -> bytes:
    """The same without Adobe's marker."""
    data = cmyk(picture)
    place = data.index(b"\xff\xee\x00\x0eAdobe")
    return data[:place] + data[place + 16 :]


def ycck(picture: Image.Image) -> bytes:
    """The same inks with the first three as Y, Cb and Cr, as Adobe's transform 2 says."""
    # Adobe inverts the black only, and Pillow everything on its way out, so that is undone for Y, Cb and Cr.
    inks = _inks(picture)
    bands = [band.point(lambda sample: 255 - sample) for band in Image.merge("RGB", inks[:3]).convert("YCbCr").split()]
    data = bytearray(jpeg(Image.merge("CMYK", [*bands, inks[3]]), subsampling=0))
    data[data.index(b"\xff\xee\x00\x0eAdobe") + 15] = 2
    return bytes(data)


def sixteen(picture: Image.Image, colour: int, low: int) -> bytes:
    """A PNG of 16 bits a sample, with the picture in the upper eight and `low` in the lower."""
    row = len(picture.tobytes()) // picture.height
    samples = bytearray(2 * len(picture.tobytes()))
    samples[::2] = picture.tobytes()
    samples[1::2] = bytes([low]) * (len(samples) // 2)
    rows = b"".join(b"\0" + samples[top : top + 2 * row] for top in range(0, len(samples), 2 * row))
    return raw_png(picture.size, 16, colour, rows)


def grey(picture: Image.Image) -> Image.Image:
    """How a picture looks without colours."""
    return picture.convert("L").convert("RGB")


def see_through(mode: str) -> Looks:
    """A picture whose left half is transparent."""

    def made(picture: Image.Image) -> Image.Image:
        image, alpha = picture.convert(mode), Image.new("L", picture.size, 255)
        alpha.paste(0, (0, 0, picture.width // 2, picture.height))
        image.putalpha(alpha)
        return image

    return made


def half_white(picture: Image.Image) -> Image.Image:
    """How it looks on white."""
    image = picture.copy()
    image.paste("white", (0, 0, picture.width // 2, picture.height))
    return image


def palette(alphas: bytes = b"") -> Maker:
    """A PNG with a palette, whose first colours are transparent."""
    options = {"transparency": alphas} if alphas else {}
    return lambda picture: png(picture.quantize(64), **options)


def on_white(alphas: bytes = b"") -> Looks:
    """How that looks on white."""

    def made(picture: Image.Image) -> Image.Image:
        image = picture.quantize(64)
        mask = Image.frombytes("L", image.size, image.tobytes()).point([*alphas, *[255] * (256 - len(alphas))])
        return Image.composite(image.convert("RGB"), Image.new("RGB", image.size, "white"), mask)

    return made


def animation(kind: str, frames: int) -> Maker:
    """A file with more pictures behind the first."""

    def made(picture: Image.Image) -> bytes:
        others = [Image.new("RGB", picture.size, (5 * index, 0, 255 - index)) for index in range(frames)]
        return encoded(picture, kind, save_all=True, append_images=others)

    return made


def malformed_mpo(picture: Image.Image) -> bytes:
    """A JPEG whose index of further pictures is broken."""
    return with_segments(jpeg(picture), segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff" + bytes(20)))


def zipped(picture: Image.Image) -> bytes:
    """An archive with a photo."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("img1.jpg", jpeg(picture))
    return buffer.getvalue()


def ftyp(brand: bytes) -> Maker:
    """A file that begins as phones' newer formats do."""
    return lambda picture: b"\0\0\0\x1cftyp" + brand + b"\0\0\0\0mif1miaf" + jpeg(picture)


def garbage(picture: Image.Image) -> bytes:
    """A JPEG with 2 kB of garbage in the middle."""
    data = jpeg(picture)
    return data[: len(data) // 2] + random.Random(7).randbytes(2000) + data[len(data) // 2 + 200 :]


def dent(picture: Image.Image) -> bytes:
    """A JPEG with one bit of its picture data changed."""
    data = bytearray(jpeg(picture))
    places = range(len(data) * 2 // 3, len(data))
    data[next(at for at in places if data[at] not in (0xFE, 0xFF) and data[at - 1] != 0xFF)] ^= 1
    return bytes(data)


def bad_sum(name: bytes) -> Maker:
    """A PNG, with a comment, whose first chunk of that name does not match its checksum."""

    def made(picture: Image.Image) -> bytes:
        data = bytearray(with_chunks(png(picture), chunk(b"tEXt", b"Comment\0site 7")))
        place = data.index(name)
        data[place + 4 + int.from_bytes(data[place - 4 : place], "big")] ^= 1
        return bytes(data)

    return made


def more_scans(count: int) -> Maker:
    """A progressive JPEG whose shortest scan but the last is there `count` times more."""

    def made(picture: Image.Image) -> bytes:
        data = jpeg(picture, progressive=True)
        scans = re.findall(rb"(?s)\xff\xda.+?(?=\xff[\xc4\xda\xd9])", data)
        shortest = min(scans[:-1], key=len)
        place = data.index(shortest) + len(shortest)
        return data[:place] + shortest * count + data[place:]

    return made


def frame(place: int, value: bytes) -> Maker:
    """A JPEG with other bytes in its frame header."""

    def made(picture: Image.Image) -> bytes:
        data = jpeg(picture)
        start = data.index(b"\xff\xc0") + place
        return data[:start] + value + data[start + len(value) :]

    return made
