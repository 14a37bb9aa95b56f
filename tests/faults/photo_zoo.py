"""Photos as phones, cameras, messengers and bad lines make them, drawn here, and what must come of each.

After public reports: files without their end (libjpeg-turbo 163, dahua cameras), with a film behind it, closed by
somebody in the middle, called as another format, turned by XMP alone.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pillow_heif
from PIL import Image

from tasks.records.reasons import Reason
from tests.faults.pictures import (
    Looks,
    Maker,
    animation,
    chunk,
    cmyk,
    encoded,
    frame,
    grey,
    half_white,
    jpeg,
    png,
    see_through,
    segment,
    with_chunks,
    with_segments,
)

IGNORED = "ignored"
_FILM = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(range(256)) * 40
_XAP = b"http://ns.adobe.com/xap/1.0/\0"
_BAD, _CUT, _NONE, _OTHER = (
    Reason.CORRUPT_IMAGE,
    Reason.TRUNCATED_IMAGE,
    Reason.NOT_AN_IMAGE,
    Reason.UNSUPPORTED_FORMAT,
)


@dataclass(frozen=True, slots=True)
class Animal:
    """A file: read as `format` and looking as `looks` says, refused for `reason`, or ignored (a reason of its own)."""

    name: str
    what: str
    make: Maker
    format: str = ""
    reason: Reason | None = None
    looks: Looks = Image.Image.copy

    @property
    def outcome(self) -> str:
        """In one word."""
        return self.format or (self.reason.value if self.reason else IGNORED)


def turned(orientation: int) -> Looks:
    """How a picture looks once it stands upright."""
    how = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}[orientation]
    return lambda picture: picture.transpose(how)


def tiff(orientation: int, order: str = "<") -> bytes:
    """An EXIF block with an orientation alone."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(f"{order}LHHHLHHL", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def xmp(orientation: int, form: str = "attribute") -> bytes:
    """An XMP packet with an orientation alone, as an attribute or an element."""
    rdf = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    told = (
        b' tiff:Orientation="%d"/>'
        if form == "attribute"
        else b"><tiff:Orientation>%d</tiff:Orientation></rdf:Description>"
    )
    about = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/"' + told % orientation
    return rdf + about + b"</rdf:RDF></x:xmpmeta>"


def exif_segment(orientation: int, order: str = "<") -> bytes:
    """EXIF, as JPEG has it."""
    return segment(0xE1, b"Exif\0\0" + tiff(orientation, order))


def xmp_segment(orientation: int, form: str = "attribute") -> bytes:
    """XMP, as JPEG has it."""
    return segment(0xE1, _XAP + xmp(orientation, form))


def raw_profile(orientation: int, name: bytes = b"zTXt", keyword: bytes = b"exif") -> bytes:
    """EXIF, as ImageMagick keeps it in a PNG."""
    block = b"Exif\0\0" + tiff(orientation)
    text = b"\n%s\n%8d\n%s\n" % (keyword, len(block), block.hex().encode())
    return chunk(
        name, b"Raw profile type " + keyword + (b"\0\0" + zlib.compress(text) if name == b"zTXt" else b"\0" + text)
    )


def xmp_text(orientation: int, form: str = "attribute", packed: bool = False) -> bytes:
    """XMP, as a PNG has it."""
    packet = xmp(orientation, form)
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0%c\0\0\0" % packed + (zlib.compress(packet) if packed else packet))


def heic(picture: Image.Image, **options: object) -> bytes:
    """A HEIC; an orientation in `exif` becomes a turn in its boxes, as phones have it."""
    out = io.BytesIO()
    pillow_heif.from_pillow(picture).save(out, format="HEIF", quality=90, **options)
    return out.getvalue()


def webp(picture: Image.Image, **options: object) -> bytes:
    """A WebP."""
    return encoded(picture, "WEBP", **{"quality": 92, **options})


def avif(picture: Image.Image, **options: object) -> bytes:
    """An AVIF."""
    return encoded(picture, "AVIF", **{"quality": 92, "speed": 10, **options})


def exif_of(orientation: int) -> Image.Exif:
    """EXIF for Pillow to write."""
    exif = Image.Exif()
    exif[0x112] = orientation
    return exif


def without_end(data: bytes, behind: bytes = b"") -> bytes:
    """A JPEG without its last two bytes, and something else behind it."""
    return data[:-2] + behind


def half(make: Maker, behind: bytes) -> Maker:
    """The first half of a file, and something else behind it."""

    def made(picture: Image.Image) -> bytes:
        data = make(picture)
        return data[: len(data) // 2] + behind

    return made


def zero_filled(picture: Image.Image) -> bytes:
    """A JPEG whose second half a full disk filled with zeros."""
    data = jpeg(picture)
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


def short_png(picture: Image.Image) -> bytes:
    """A PNG with half of its rows, and everything else in order."""
    row = 3 * picture.width
    rows = picture.tobytes()[: row * (picture.height // 2)]
    data = zlib.compress(b"".join(b"\0" + rows[top : top + row] for top in range(0, len(rows), row)))
    header = chunk(b"IHDR", struct.pack(">LLBBBBB", *picture.size, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _with(*segments: bytes) -> Maker:
    return lambda picture: with_segments(jpeg(picture), *segments)


def _png_with(*chunks: bytes) -> Maker:
    return lambda picture: with_chunks(png(picture), *chunks)


def _plain(data: bytes) -> Callable[[Image.Image], bytes]:
    return lambda _: data


def _progressive(picture: Image.Image) -> bytes:
    return jpeg(picture, progressive=True)


_ENDS = (
    Animal("plain.jpg", "a JPEG", jpeg, "JPEG"),
    Animal("no-end.jpg", "JPEG without its last two bytes", lambda p: without_end(jpeg(p)), "JPEG"),
    Animal("no-end-film.jpg", "no end, a film behind it", lambda p: without_end(jpeg(p), _FILM), "JPEG"),
    Animal("no-end-jpeg.jpg", "no end, another JPEG behind it", lambda p: without_end(jpeg(p), jpeg(p)), "JPEG"),
    Animal(
        "no-end-dhav.jpg", "no end, a camera's own bytes", lambda p: without_end(jpeg(p), b"dhav\x59\x19\1\0"), "JPEG"
    ),
    Animal(
        "no-end-zeros.jpg", "no end, zeros to the end of the block", lambda p: without_end(jpeg(p), bytes(4096)), "JPEG"
    ),
    Animal("no-end-prog.jpg", "progressive, no end", lambda p: without_end(_progressive(p)), "JPEG"),
    Animal("no-end-prog-zeros.jpg", "progressive, zeros", lambda p: without_end(_progressive(p), bytes(4096)), "JPEG"),
    Animal("zeros.jpg", "zeros behind the end", lambda p: jpeg(p) + bytes(4096), "JPEG"),
    Animal("motion.jpg", "a film behind the end", lambda p: jpeg(p) + _FILM, "JPEG"),
    Animal("half.jpg", "half of the data", half(jpeg, b""), reason=_CUT),
    Animal("half-closed.jpg", "half of the data, and an end", half(jpeg, b"\xff\xd9"), reason=_CUT),
    Animal("half-film.jpg", "half of the data, and a film", half(jpeg, _FILM), reason=_CUT),
    Animal("half-prog.jpg", "progressive, half and an end", half(_progressive, b"\xff\xd9"), reason=_CUT),
    Animal("half-zeros.jpg", "second half zeros", zero_filled, reason=_CUT),
    Animal("restarts.jpg", "restart markers", lambda p: jpeg(p, restart_marker_blocks=2), "JPEG"),
    Animal("no-iend.png", "PNG without its end", lambda p: png(p)[:-12], "PNG"),
    Animal("half-rows.png", "PNG with half of its rows", short_png, reason=_CUT),
    Animal("half.webp", "half a WebP", half(webp, b""), reason=_CUT),
    Animal("half.heic", "half a HEIC", half(heic, b""), reason=_CUT),
)
_TURNS = (
    Animal("exif6.jpg", "EXIF 6", _with(exif_segment(6)), "JPEG", looks=turned(6)),
    Animal("exif8-mm.jpg", "EXIF 8, big endian", _with(exif_segment(8, ">")), "JPEG", looks=turned(8)),
    Animal(
        "exif-empty.jpg",
        "an empty EXIF, then EXIF 6",
        _with(exif_segment(0)[:2] + b"\0\x08Exif\0\0", exif_segment(6)),
        "JPEG",
        looks=turned(6),
    ),
    Animal("xmp6.jpg", "XMP 6 alone", _with(xmp_segment(6)), "JPEG", looks=turned(6)),
    Animal("xmp6-element.jpg", "XMP 6 alone, as an element", _with(xmp_segment(6, "element")), "JPEG", looks=turned(6)),
    Animal(
        "xmp1-exif6.jpg", "XMP 1, EXIF 6: EXIF counts", _with(xmp_segment(1), exif_segment(6)), "JPEG", looks=turned(6)
    ),
    Animal("exif1-xmp6.jpg", "EXIF 1, XMP 6: EXIF counts", _with(exif_segment(1), xmp_segment(6)), "JPEG"),
    Animal("exif.png", "EXIF 6", _png_with(chunk(b"eXIf", tiff(6))), "PNG", looks=turned(6)),
    Animal(
        "exif-behind.png",
        "EXIF 6 behind the data",
        lambda p: png(p)[:-12] + chunk(b"eXIf", tiff(6)) + png(p)[-12:],
        "PNG",
        looks=turned(6),
    ),
    Animal("raw-profile.png", "raw profile 6 (zTXt)", _png_with(raw_profile(6)), "PNG", looks=turned(6)),
    Animal(
        "raw-app1.png",
        "raw profile 3 (tEXt, APP1)",
        _png_with(raw_profile(3, b"tEXt", b"APP1")),
        "PNG",
        looks=turned(3),
    ),
    Animal("xmp.png", "XMP 6", _png_with(xmp_text(6)), "PNG", looks=turned(6)),
    Animal(
        "xmp-packed.png",
        "XMP 8, packed, as an element",
        _png_with(xmp_text(8, "element", True)),
        "PNG",
        looks=turned(8),
    ),
    Animal(
        "exif3-xmp6.png",
        "EXIF 3, XMP 6: EXIF counts",
        _png_with(xmp_text(6), chunk(b"eXIf", tiff(3))),
        "PNG",
        looks=turned(3),
    ),
    Animal("exif6.webp", "EXIF 6", lambda p: webp(p, exif=exif_of(6)), "WebP", looks=turned(6)),
    Animal("xmp6.webp", "XMP 6", lambda p: webp(p, xmp=xmp(6)), "WebP", looks=turned(6)),
    Animal("turned.heic", "turned by its boxes", lambda p: heic(p, exif=exif_of(6).tobytes()), "HEIF", looks=turned(6)),
    Animal("turned.avif", "turned by its boxes", lambda p: avif(p, exif=exif_of(6)), "AVIF", looks=turned(6)),
)
_FORMATS = (
    Animal("wechat.webp", "WebP", webp, "WebP"),
    Animal("lossless.webp", "WebP, lossless", lambda p: webp(p, lossless=True), "WebP"),
    Animal(
        "clear.webp", "WebP, half of it transparent", lambda p: webp(see_through("RGB")(p)), "WebP", looks=half_white
    ),
    Animal("moving.webp", "animated WebP: the first picture", animation("WEBP", 3), "WebP"),
    Animal("iphone.heic", "HEIC", heic, "HEIF"),
    Animal("IMG_0001.HEIF", "HEIF", heic, "HEIF"),
    Animal(
        "clear.heic", "HEIC, half of it transparent", lambda p: heic(see_through("RGB")(p)), "HEIF", looks=half_white
    ),
    Animal("some.avif", "AVIF", avif, "AVIF"),
    Animal("browser.jfif", "JPEG called .jfif", jpeg, "JPEG"),
    Animal("old.jpe", "JPEG called .jpe", jpeg, "JPEG"),
    Animal("phone.mpo", "JPEG with more pictures", animation("MPO", 2), "JPEG"),
    Animal("jpeg.png", "JPEG called .png", jpeg, "JPEG"),
    Animal("png.jpg", "PNG called .jpg", png, "PNG"),
    Animal("webp.jpg", "WebP called .jpg", webp, "WebP"),
    Animal("heic.jpg", "HEIC called .jpg", heic, "HEIF"),
    Animal("jpeg.heic", "JPEG called .heic", jpeg, "JPEG"),
    Animal("mmexport1700000000", "JPEG without any ending", jpeg, "JPEG"),
    Animal("img1.jpg_202401", "JPEG with another ending", jpeg, "JPEG"),
    Animal("cmyk.jpg", "four inks", lambda p: cmyk(p), "JPEG", looks=lambda p: p.point(lambda v: v * 204 // 255)),
    Animal("grey.heic", "grey HEIC", lambda p: heic(p.convert("L")), "HEIF", looks=grey),
    Animal("sticker.gif", "GIF", lambda p: encoded(p, "GIF"), reason=_OTHER),
    Animal("scan.bmp", "BMP", lambda p: encoded(p, "BMP"), reason=_OTHER),
    Animal("scan.tif", "TIFF", lambda p: encoded(p, "TIFF"), reason=_OTHER),
    Animal("gif.jpg", "GIF called .jpg", lambda p: encoded(p, "GIF"), reason=_OTHER),
    Animal("tiff-without-ending", "TIFF without an ending", lambda p: encoded(p, "TIFF"), reason=_OTHER),
    Animal("raw.dng", "RAW (DNG)", lambda p: encoded(p, "TIFF"), reason=_OTHER),
    Animal("raw.CR2", "RAW (CR2)", _plain(b"II*\0\x10\0\0\0CR\2\0" + bytes(400)), reason=_OTHER),
    Animal("raw.CR3", "RAW (CR3)", _plain(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(400)), reason=_OTHER),
    Animal("raw.nef", "RAW (NEF)", _plain(b"MM\0*\0\0\0\x08" + bytes(400)), reason=_OTHER),
    Animal("raw.raf", "RAW (RAF)", _plain(b"FUJIFILMCCD-RAW 0201" + bytes(400)), reason=_OTHER),
    Animal("new.jxl", "JPEG XL", _plain(b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(400)), reason=_OTHER),
)
_NO_PHOTOS = (
    Animal("empty.heic", "no bytes", _plain(b""), reason=Reason.EMPTY_FILE),
    Animal("text.webp", "text called .webp", _plain("现场照片".encode()), reason=_NONE),
    Animal("answer.jpg", "a server's answer called .jpg", _plain(b"<!DOCTYPE html><html>404</html>"), reason=_NONE),
    Animal("film.jpg", "a film called .jpg", _plain(_FILM), reason=_NONE),
    Animal("before.jpg", "a BOM before the JPEG", lambda p: b"\xef\xbb\xbf" + jpeg(p), reason=_NONE),
    Animal("bits12.jpg", "12 bits a sample", frame(4, b"\x0c"), reason=_BAD),
    Animal("small.webp", "15 pixels high", lambda p: webp(p.resize((100, 15))), reason=Reason.TOO_SMALL),
    Animal("way.mp4", "a film", _plain(_FILM)),
    Animal("现场说明.txt", "a text", _plain("说明".encode())),
    Animal("表.xlsx", "a table", _plain(b"PK\3\4")),
    Animal("Thumbs.db", "what Windows leaves", _plain(b"\xd0\xcf\x11\xe0")),
    Animal(".DS_Store", "what a Mac leaves", _plain(b"\0\0\0\1Bud1")),
    Animal("._img1.jpg", "what a Mac leaves for each photo", _plain(b"\0\5\x16\7")),
    Animal("done", "an empty file without an ending", _plain(b"")),
)
ANIMALS = (*_ENDS, *_TURNS, *_FORMATS, *_NO_PHOTOS)
