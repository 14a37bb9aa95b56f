"""What a file's name says of its content: a photo, a picture that is not read, a film, a document. Opens nothing.

The name only decides what is looked at: what a file is, its first bytes say.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath


class Named(StrEnum):
    """What a name promises."""

    PHOTO = "photo"
    """A photo, or a picture in a format that is not read: either is a photo of its group."""
    VIDEO = "video or sound"
    DOCUMENT = "document or archive"
    SYSTEM = "left by a system or a program"
    UNKNOWN = "unknown"
    """Nothing: the content must say whether it is a photo."""


def _words(text: str) -> frozenset[str]:
    return frozenset(f".{word}" for word in text.split())


FORMATS = {
    "JPEG": _words("jpg jpeg jpe jfif jif mpo"),
    "PNG": _words("png apng"),
    "WebP": _words("webp"),
    "HEIF": _words("heic heif hif heics heifs"),
    "AVIF": _words("avif"),
}
"""The formats that are read, by the names that their files have."""

READ = frozenset().union(*FORMATS.values())

_OTHERS = _words(
    "gif bmp dib tif tiff jp2 j2k jpx jxl psd tga pcx ppm wdp jxr "
    "dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 raf pef srw raw 3fr iiq kdc dcr x3f erf mrw rwl mef mos"
)
"""Pictures that are not read, and what cameras call their raw data."""

_KINDS = (
    (Named.PHOTO, READ | _OTHERS),
    (
        Named.VIDEO,
        _words(
            "mp4 mov m4v 3gp 3g2 avi mkv wmv flv webm mts m2ts mpg mpeg ts vob rm rmvb f4v asf "
            "mp3 wav m4a amr aac ogg opus flac wma silk"
        ),
    ),
    (
        Named.DOCUMENT,
        _words(
            "pdf doc docx dot xls xlsx xlsm csv ppt pptx wps et dps txt md rtf odt ods odp ofd html htm mht xml json "
            "jsonl yaml yml log eml msg url dwg dxf vsd vsdx kml kmz svg zip rar 7z tar gz tgz bz2 xz apk exe"
        ),
    ),
    (Named.SYSTEM, _words("db ini lnk aae thm xmp ds_store dat_mcr lrc sha256 md5")),
)
_BY_SUFFIX = {suffix: kind for kind, suffixes in _KINDS for suffix in suffixes}

_SYSTEM_FOLDERS = frozenset(
    (
        "__macosx",  # archives from a Mac
        "@eadir",  # Synology: thumbnails, called as the photos are
        "@tmp",
        "#recycle",
        "#snapshot",
        "@recycle",  # QNAP
        "@recently-snapshot",
        "@sharebin",
        "$recycle.bin",  # Windows
        "recycler",
        "system volume information",
        "found.000",
        "lost+found",  # ext4
        "lost.dir",  # Android
    )
)


def named(name: str) -> Named:
    """What a file's name promises. A name that starts with a dot or `~$` is a system's."""
    if name.startswith((".", "~$")):
        return Named.SYSTEM
    return _BY_SUFFIX.get(_suffix(name), Named.UNKNOWN)


def fits(name: str, format: str) -> bool:
    """Whether a name is one that files of this format have."""
    return _suffix(name) in FORMATS[format]


def is_system_folder(name: str) -> bool:
    """Whether a folder is one that systems, storage boxes and archivers make for themselves."""
    return name.startswith(".") or name.strip().lower() in _SYSTEM_FOLDERS


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
