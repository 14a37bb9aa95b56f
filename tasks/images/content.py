"""What a file's first bytes say that it is. Knows the beginnings of formats, and decodes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.images import heif, jpeg, png

FIRST_BYTES = 512
"""As many bytes tell every format."""

_PICTURES = (
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"8BPS", "PSD"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (8, b"CR\x02\0", "RAW (Canon CR2)"),
    (4, b"ftypcrx ", "RAW (Canon CR3)"),
    (0, b"FUJIFILMCCD-RAW", "RAW (Fujifilm RAF)"),
    (0, b"IIRO", "RAW (Olympus ORF)"),
    (0, b"IIRS", "RAW (Olympus ORF)"),
    (0, b"IIU\0", "RAW (Panasonic RW2)"),
    (0, b"FOVb", "RAW (Sigma X3F)"),
    (0, b"II*\0", "TIFF, or a camera's RAW"),
    (0, b"MM\0*", "TIFF, or a camera's RAW"),
)
"""Pictures that are not read; the first that fits."""

_OTHERS = (
    (4, b"ftyp", "a film (MP4, MOV or 3GP)"),
    (0, b"\x1aE\xdf\xa3", "a film (MKV or WebM)"),
    (0, b"%PDF", "a PDF"),
    (0, b"PK\3\4", "a ZIP archive, or an office document"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"\xd0\xcf\x11\xe0", "an office document, or Thumbs.db"),
    (0, b"<", "HTML or XML: what a server answered instead of the photo?"),
    (0, b"{", "JSON: what a server answered instead of the photo?"),
    (0, b"version https://git-lfs", "a pointer of Git LFS; fetch the photo itself"),
)


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is: a photo whose `format` is read, another `picture`, or something `else_`; at most one is set."""

    format: str | None = None
    picture: str | None = None
    else_: str | None = None

    @property
    def is_picture(self) -> bool:
        """Whether it is a photo or another picture."""
        return bool(self.format or self.picture)


def content_of(data: bytes) -> Content:
    """What the bytes, of which the first `FIRST_BYTES` are enough, say. A shorter beginning of a JPEG or PNG counts."""
    if data and data[:3] == jpeg.MAGIC[: len(data)]:
        return Content("JPEG")
    if data and data[:8] == png.MAGIC[: len(data)]:
        return Content("PNG")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Content("WebP")
    if boxes := heif.kind_of(data):
        return Content(boxes)
    for place, magic, picture in _PICTURES:
        # Two bytes alone say little: BMP has zeros behind its length.
        if data.startswith(magic, place) and (picture != "BMP" or data[6:10] == bytes(4)):
            return Content(picture=picture)
    for place, magic, other in _OTHERS:
        if data.startswith(magic, place):
            return Content(else_=other)
    before = data.find(jpeg.MAGIC, 0, FIRST_BYTES)
    return Content(else_=f"a JPEG behind {before} bytes that do not belong there; save it anew" if before > 0 else None)
