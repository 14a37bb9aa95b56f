"""Find a font that can write Chinese, and write without it what can be written. Knows no caption and no photo."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

from tasks.records.errors import InputError
from tasks.records.photos import on_one_line

FONT_VARIABLE = "FIELDCHECK_FONT"
"""Environment variable: path of the font to draw with, before any that is found."""

CURE = "install the package fonts-noto-cjk or name a font file with --font"

_TRIED = "检"
# No character, so that a face draws its sign for what it does not have.
_NOTHING = "\uffff"
_NAMES = (
    "notosanscjk",
    "notosanssc",
    "sourcehansans",
    "wqy-microhei",
    "wqy-zenhei",
    "droidsansfallback",
    "msyh",
    "pingfang",
    "hiragino sans gb",
    "stheiti",
    "simhei",
    "simsun",
    "arphic",
    "uming",
    "ukai",
    "notoserifcjk",
    "arial unicode",
    "unifont",
)
_SUFFIXES = (".ttf", ".ttc", ".otf", ".otc")
_MOST_FACES = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a font file; `chinese` tells whether it has Chinese characters. No path: Pillow's own font."""

    path: Path | None
    index: int = 0
    chinese: bool = False

    def font(self, size: int) -> FreeTypeFont:
        """The face at a size in pixels."""
        return _font(self, size)

    def writable(self, text: str) -> str:
        """What of a text can be written, on one line: all, or the words in ASCII."""
        text = on_one_line(text)
        return text if self.chinese else " ".join(re.findall(r"[!-~]*[A-Za-z0-9][!-~]*", _ascii(text)))


def _ascii(text: str) -> str:
    # Signs that stand between Chinese words say nothing without them.
    return re.sub(r"[/:,，]", " ", "".join(sign if sign.isascii() else " " for sign in text))


@lru_cache(maxsize=64)
def _font(face: Face, size: int) -> FreeTypeFont:
    if face.path is None:
        default = ImageFont.load_default(size)
        assert isinstance(default, FreeTypeFont), "Pillow was built without FreeType"
        return default
    return _opened(face.path, size, face.index)


def _opened(path: Path, size: int, index: int) -> FreeTypeFont:
    # Not `ImageFont.truetype`: where a file is no font, that one takes a font of the same name from the system.
    return FreeTypeFont(path, size, index, layout_engine=ImageFont.Layout.BASIC)


def face_for(path: Path | None = None) -> Face:
    """The face to draw with: of the file at `path`, of a font that is found, or Pillow's own, without Chinese.

    A warning, once, tells that Chinese cannot be written. Raises InputError if the named file is no font.
    """
    named = path or (Path(os.environ[FONT_VARIABLE]) if os.environ.get(FONT_VARIABLE) else None)
    if named is None:
        named = _found()
    elif not _indices(named):
        raise InputError(f"{named} is not a font file that can be read")
    face = Face(None) if named is None else _best_face(named)
    if not face.chinese:
        _warn(named)
    return face


def find_font(folders: Iterable[Path] | None = None) -> Path | None:
    """A font file with Chinese characters in `folders`, or in this system's usual ones; None if there is none."""
    found = sorted(_candidates(_usual_folders() if folders is None else folders))
    return next((path for *_, path in found if _best_face(path).chinese), None)


@cache
def _found() -> Path | None:
    return find_font()


@cache
def _warn(path: Path | None) -> None:
    what = "no font with Chinese characters was found" if path is None else f"{path} has no Chinese characters"
    _log.warning("%s: overlays show numbers and ASCII text only; %s", what, CURE)


def _candidates(folders: Iterable[Path]) -> Iterator[tuple[int, bool, Path]]:
    """Font files by name: how good the name is, whether the face is other than regular, the path."""
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                plain = name.casefold()
                rank = next((rank for rank, start in enumerate(_NAMES) if plain.startswith(start)), None)
                if rank is not None and plain.endswith(_SUFFIXES):
                    yield rank, "regular" not in plain, Path(place, name)


def _usual_folders() -> list[Path]:
    """Where fonts are kept on Linux, macOS and Windows."""
    home = Path(os.environ.get("HOME") or os.environ.get("USERPROFILE") or os.curdir)
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", "C:/Windows"), "Fonts"), home / "AppData/Local/Microsoft/Windows/Fonts"]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".fonts", home / ".local/share/fonts"]


def _indices(path: Path) -> list[int]:
    """The faces of a font file; none if it is no font."""
    indices: list[int] = []
    for index in range(_MOST_FACES):
        try:
            _opened(path, 16, index)
        except (OSError, ValueError):
            break
        indices.append(index)
    return indices


@cache
def _best_face(path: Path) -> Face:
    """A face of the file with Chinese characters, one for simplified Chinese if there is one; else its first face."""
    faces = [Face(path, index, chinese=_has_chinese(path, index)) for index in _indices(path)]
    return min(faces, key=lambda face: (not face.chinese, "SC" not in _family(face).split()), default=Face(None))


def _family(face: Face) -> str:
    return str(face.font(16).getname()[0])


def _has_chinese(path: Path, index: int) -> bool:
    font = _opened(path, 32, index)
    drawn, blank = font.getmask(_TRIED), font.getmask(_NOTHING)
    return drawn.getbbox() is not None and (drawn.size, bytes(drawn)) != (blank.size, bytes(blank))
