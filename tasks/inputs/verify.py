"""Verify groups before any inference: every photo is read once, hashed, and judged by its header.

Knows no model. What is wrong is recorded with a typed reason, never raised, so that one bad photo costs its own group
and nothing else.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from blocks.errors import BadKey, ObjectMissing, StoreDenied
from blocks.store import Store
from configs.parts import InputConfig
from tasks.images.open import Header, read_header
from tasks.inputs.discover import Discovery
from tasks.records.ahead import ahead
from tasks.records.errors import PhotoError
from tasks.records.photos import MARKER, Group, Photo
from tasks.records.reasons import Reason
from tasks.records.stage_a import QuarantineEntry

_READERS = 8


@dataclass(frozen=True, slots=True)
class InputReport:
    """What verification found.

    `groups` are accepted, in order, their photos with sha256 (and width and height when headers were read).
    `rejected` has a line for each rejected group and, before it, one for each photo at fault; `rejected_photos` counts
    all photos of those groups. `ignored` are keys of files that are no photos of a group.
    """

    groups: tuple[Group, ...]
    rejected: tuple[QuarantineEntry, ...]
    rejected_photos: int
    ignored: tuple[str, ...]

    @property
    def photos(self) -> int:
        """Photos of the accepted groups."""
        return sum(len(group.photos) for group in self.groups)

    @property
    def rejected_groups(self) -> int:
        """Number of groups that were rejected."""
        return sum(entry.kind == "group" for entry in self.rejected)


def verify(root: Store, found: Discovery, config: InputConfig, *, headers: bool = True) -> InputReport:
    """Hash every photo; with `headers` judge headers, names, markers, duplicates and empty groups as well.

    Empty groups and unreadable photos are always rejected: there is nothing to summarise. Raises StoreError when
    the store itself fails.
    """
    accepted: list[Group] = []
    rejected: list[QuarantineEntry] = []
    rejected_photos = 0
    photos_in_order = (photo for group in found.groups for photo in group.photos)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="verify") as pool:
        results = ahead(pool, lambda photo: _read(root, photo, config, headers), photos_in_order, 2 * _READERS)
        for group in found.groups:
            photos = [next(results) for _ in group.photos]
            faults = [
                _entry(group, result.reason, result.detail, photo)
                for photo, result in zip(group.photos, photos, strict=True)
                if isinstance(result, PhotoError)
            ]
            good = tuple(result for result in photos if isinstance(result, Photo))
            whole = _group_fault(group, good, len(faults), config, headers)
            if whole is None:
                accepted.append(replace(group, photos=good))
            else:
                rejected.extend([*faults, whole])
                rejected_photos += len(group.photos)
    return InputReport(tuple(accepted), tuple(rejected), rejected_photos, found.ignored)


def _group_fault(
    group: Group, photos: tuple[Photo, ...], faults: int, config: InputConfig, headers: bool
) -> QuarantineEntry | None:
    if faults:
        return _entry(group, Reason.PHOTO_REJECTED, f"{faults} of {len(group.photos)} photos rejected")
    if not group.photos:
        return _entry(group, Reason.EMPTY_GROUP, "the folder holds no photo")
    if _unpublishable(group.group_id):
        return _entry(group, Reason.BAD_NAME, "the group id is not UTF-8 or has control characters")
    if not headers:
        return None
    if config.markers == "required" and not group.marked:
        return _entry(group, Reason.MARKER_MISSING, f"no file {MARKER}; the work order is not complete")
    if config.duplicates == "reject":
        first: dict[str, str] = {}
        for photo in photos:
            if photo.sha256 in first:
                return _entry(
                    group, Reason.DUPLICATE_PHOTO, f"{photo.name} has the same bytes as {first[photo.sha256]}"
                )
            first[photo.sha256] = photo.name
    return None


def _read(root: Store, photo: Photo, config: InputConfig, headers: bool) -> Photo | PhotoError:
    if _unpublishable(photo.name):
        return PhotoError(Reason.BAD_NAME, "the file name is not UTF-8 or has control characters; rename it")
    if photo.size > config.max_file_bytes:
        return PhotoError(Reason.TOO_MANY_BYTES, f"{photo.size} bytes, more than {config.max_file_bytes}")
    try:
        data = root.read(photo.key)
        header = _header(data, config, photo.name, judge=headers)
    except (ObjectMissing, StoreDenied) as error:
        return PhotoError(Reason.UNREADABLE, str(error))
    except BadKey as error:
        return PhotoError(Reason.BAD_NAME, str(error))
    except PhotoError as error:
        return error
    return replace(
        photo,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        width=header.width if header else 0,
        height=header.height if header else 0,
    )


def _header(data: bytes, config: InputConfig, name: str, *, judge: bool) -> Header | None:
    """The header; where it is not judged, None for a bad one: the engine will say so when it decodes the photo."""
    try:
        return read_header(data, config, name)
    except PhotoError:
        if judge:
            raise
        return None


def _unpublishable(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return any(ord(char) < 32 or 127 <= ord(char) < 160 for char in name)


def _entry(group: Group, reason: Reason, detail: str, photo: Photo | None = None) -> QuarantineEntry:
    def clean(name: str) -> str:
        return name.encode("utf-8", "backslashreplace").decode("utf-8")

    return QuarantineEntry(
        kind="group" if photo is None else "photo",
        mission=group.mission,
        group_id=clean(group.group_id),
        label=group.label,
        image=clean(photo.name) if photo else None,
        key=clean(photo.key) if photo else None,
        reason=reason,
        detail=detail,
    )
