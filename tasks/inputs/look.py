"""Look at one photo before any inference: read it once, hash it, judge its name and its header."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from blocks.errors import BadKey, ObjectMissing, StoreDenied
from blocks.store import Store
from configs.parts import InputConfig
from tasks.images.content import FIRST_BYTES, content_of
from tasks.images.names import Named, named
from tasks.images.open import Header, read_header
from tasks.inputs.near import near_marker
from tasks.records.errors import PhotoError
from tasks.records.photos import Photo
from tasks.records.reasons import Reason

READERS = 8
"""Photos that are looked at at a time."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a file: a photo, with its format if that is known, why it is none that can be used, or no photo."""

    photo: Photo
    error: PhotoError | None = None
    format: str | None = None
    is_photo: bool = True


def look(root: Store, file: Photo, config: InputConfig, headers: bool = True) -> Looked:
    """What a file is. A photo that can be used has its sha256 and, with `headers`, its width and height.

    A file whose name says nothing is a photo if its first bytes say so. Raises StoreError when the store itself fails.
    """
    if named(file.name) is not Named.PHOTO and (is_near(file) or not _is_picture(root, file)):
        return Looked(file, is_photo=False)
    try:
        return _read(root, file, config, headers)
    except PhotoError as error:
        return Looked(file, error)


def is_near(file: Photo) -> bool:
    """Whether a file is nearly called as the marker is."""
    return named(file.name) is not Named.PHOTO and near_marker(file.name)


def is_unpublishable(name: str) -> bool:
    """Whether a name cannot stand in a record: it is not UTF-8, or has control characters."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return any(ord(char) < 32 or 127 <= ord(char) < 160 for char in name)


def _is_picture(root: Store, file: Photo) -> bool:
    """Whether the first bytes are a picture's. What cannot be read does not count as one: its name promises nothing."""
    try:
        with root.open(file.key) as stream:
            return content_of(stream.read(FIRST_BYTES)).is_picture
    except (ObjectMissing, StoreDenied, BadKey):
        return False


def _read(root: Store, photo: Photo, config: InputConfig, headers: bool) -> Looked:
    if is_unpublishable(photo.name):
        raise PhotoError(Reason.BAD_NAME, "the file name is not UTF-8 or has control characters; rename it")
    if photo.size > config.max_file_bytes:
        raise PhotoError(Reason.TOO_MANY_BYTES, f"{photo.size} bytes, more than {config.max_file_bytes}")
    try:
        data = root.read(photo.key)
    except (ObjectMissing, StoreDenied) as error:
        raise PhotoError(Reason.UNREADABLE, str(error)) from error
    except BadKey as error:
        raise PhotoError(Reason.BAD_NAME, str(error)) from error
    header = _header(data, config, judge=headers)
    known = replace(photo, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    if header is None:
        return Looked(known)
    return Looked(replace(known, width=header.width, height=header.height), format=header.format)


def _header(data: bytes, config: InputConfig, *, judge: bool) -> Header | None:
    """The header; where it is not judged, None for a bad one: the engine will say so when it decodes the photo."""
    try:
        return read_header(data, config)
    except PhotoError:
        if judge:
            raise
        return None
