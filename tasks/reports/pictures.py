"""From the place of a photo to a picture on a page: found, held against its digest, upright, small. Knows no page.

A photo is read whole, and not if its size is another one; of several threads, together no more pixels are decoded at a
time than the largest photo may have (`tasks.images.budget`). What a page gets is a JPEG of ours, without EXIF.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
from base64 import b64encode
from pathlib import Path
from typing import Protocol

from PIL import Image

from blocks.errors import BadKey, ObjectCorrupt, ObjectMissing, StoreDenied
from blocks.store import Store
from configs.parts import InputConfig
from tasks.images.open import decoding
from tasks.records.errors import PhotoError
from tasks.records.stage_a import Provenance
from tasks.reports.groups import Picture

EMBEDDED, SMALL, LARGE = 960, 360, 1440
"""Longest side in pixels: of a picture inside a page, and of the two of a photo beside one."""

_QUALITY = 80


class Album(Protocol):
    """Where pictures go."""

    def known(self, sha256: str) -> Picture | None:
        """The picture of a photo that is there already."""
        ...

    def add(self, sha256: str, image: Image.Image) -> Picture:
        """Make the pictures of an upright photo, and say where they are. `image` is made smaller."""
        ...


class InPage:
    """Pictures inside the page itself, as `data:` URLs."""

    def known(self, sha256: str) -> Picture | None:
        """None is kept."""
        return None

    def add(self, sha256: str, image: Image.Image) -> Picture:
        """One picture, for the list and large."""
        return Picture("shown", f"data:image/jpeg;base64,{b64encode(_jpeg(image, EMBEDDED)).decode()}")


class InFolder:
    """Pictures in files under `folder`, called by the photos' digests; `prefix` leads there from the page."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder, self._prefix = folder, prefix
        folder.mkdir(parents=True)

    def known(self, sha256: str) -> Picture | None:
        """A photo that stands in several groups is made smaller once."""
        return self._picture(sha256) if (self._folder / f"{sha256}-s.jpg").exists() else None

    def add(self, sha256: str, image: Image.Image) -> Picture:
        """A large picture and a small one; the small one is there last."""
        self._write(f"{sha256}.jpg", _jpeg(image, LARGE))
        self._write(f"{sha256}-s.jpg", _jpeg(image, SMALL))
        return self._picture(sha256)

    def _picture(self, sha256: str) -> Picture:
        return Picture("shown", f"{self._prefix}{sha256}-s.jpg", f"{self._prefix}{sha256}.jpg")

    def _write(self, name: str, data: bytes) -> None:
        unfinished = self._folder / f"{name}.{threading.get_ident()}"
        unfinished.write_bytes(data)
        os.replace(unfinished, self._folder / name)


def picture_of(root: Store, line: Provenance, limits: InputConfig, album: Album) -> Picture:
    """What a page has of a photo that Stage-A saw, or why it has nothing. Raises StoreError if the root is not
    reachable."""
    try:
        info = root.stat(line.key)
        if info is None:
            return Picture("missing", detail=line.key)
        if info.size != line.size:
            return Picture("changed", detail=line.key)
        with root.open(line.key) as stream:
            data = stream.read(line.size + 1)
    except (ObjectMissing, BadKey):
        return Picture("missing", detail=line.key)
    except (StoreDenied, ObjectCorrupt):
        return Picture("unreadable", detail=line.key)
    if hashlib.sha256(data).hexdigest() != line.sha256:
        return Picture("changed", detail=line.key)
    if (known := album.known(line.sha256)) is not None:
        return known
    try:
        with decoding(data, limits) as image:
            return album.add(line.sha256, image)
    except PhotoError as error:
        return Picture("unreadable", detail=f"{line.key}: {error.detail}")


def _jpeg(image: Image.Image, side: int) -> bytes:
    """At most so long; `image` is made as small."""
    image.thumbnail((side, side), reducing_gap=2.0)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY, comment=b"")
    return out.getvalue()
