"""Verify groups before any inference: every photo is read once, hashed, and judged by its header.

Knows no model. What is wrong is recorded with a typed reason, never raised, so that one bad photo costs its own group
and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from blocks.errors import BadKey, ObjectMissing, StoreDenied
from blocks.store import Store
from configs.parts import InputConfig
from tasks.images.open import Header, read_header
from tasks.inputs.discover import Discovery
from tasks.inputs.order import natural_key
from tasks.ledger.groups import Groups, State
from tasks.records.ahead import ahead
from tasks.records.errors import PhotoError
from tasks.records.photos import MARKER, Group, Photo, printable
from tasks.records.reasons import Reason
from tasks.records.stage_a import QuarantineEntry

_READERS = 8
_NAMED = 20


@dataclass(frozen=True, slots=True)
class InputReport:
    """What verification found, in numbers; the groups are in the ledger.

    `photos` are those of the accepted groups, with sha256 (and width and height when headers were read).
    `rejected_photos` counts all photos of rejected groups, and those that accepted groups go on without. `examples` are
    the first of the lines for quarantine, `ignored` and `ignored_examples` files that are no photos of a group.
    """

    groups: int
    photos: int
    rejected_groups: int
    rejected_photos: int
    examples: tuple[QuarantineEntry, ...]
    ignored: int
    ignored_examples: tuple[str, ...]


def verify(
    root: Store,
    groups: Groups,
    found: Discovery,
    config: InputConfig,
    *,
    headers: bool = True,
    partial: bool = False,
    on_photo: Callable[[], None] = lambda: None,
) -> InputReport:
    """Hash every photo of the groups that were found; with `headers` judge headers, names, markers, duplicates and
    empty groups as well. Every group is accepted or rejected in the ledger.

    With `partial` a group goes on without its bad photos, as long as one is good. Empty groups and unreadable photos
    are always rejected: there is nothing to summarise. `on_photo` is called once a photo. Raises StoreError when the
    store itself fails.
    """
    rejected_photos = 0
    examples: list[QuarantineEntry] = []
    with ThreadPoolExecutor(_READERS, thread_name_prefix="verify") as pool:
        results = _results(pool, root, groups, config, headers)
        for entry in groups.entries(State.FOUND):
            group = _in_order(entry.group)
            photos = []
            for _ in group.photos:
                photos.append(next(results))
                on_photo()
            faults = [
                _entry(group, result.reason, result.detail, photo)
                for photo, result in zip(group.photos, photos, strict=True)
                if isinstance(result, PhotoError)
            ]
            good = tuple(result for result in photos if isinstance(result, Photo))
            dropped = 0 if partial and good else len(faults)
            whole = _group_fault(group, good, dropped, config, headers)
            if whole is None:
                groups.settle(entry, good, State.ACCEPTED, faults)
                rejected_photos += len(faults)
            else:
                faults.append(whole)
                groups.settle(entry, group.photos, State.REJECTED, faults)
                rejected_photos += len(group.photos)
            examples.extend(faults[: _NAMED - len(examples)])
    accepted = photos_accepted = 0
    for entry in groups.entries(State.ACCEPTED):
        accepted += 1
        photos_accepted += len(entry.group.photos)
    return InputReport(
        groups=accepted,
        photos=photos_accepted,
        rejected_groups=groups.count(State.REJECTED),
        rejected_photos=rejected_photos,
        examples=tuple(examples),
        ignored=found.ignored,
        ignored_examples=found.examples,
    )


def _results(
    pool: ThreadPoolExecutor, root: Store, groups: Groups, config: InputConfig, headers: bool
) -> Iterator[Photo | PhotoError]:
    """What came of each photo, group by group, read ahead of the group that is judged."""
    photos = (photo for entry in groups.entries(State.FOUND) for photo in _in_order(entry.group).photos)
    return ahead(pool, lambda photo: _read(root, photo, config, headers), photos, 2 * _READERS)


def _in_order(group: Group) -> Group:
    return replace(group, photos=tuple(sorted(group.photos, key=lambda photo: natural_key(photo.name))))


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
    return QuarantineEntry(
        kind="group" if photo is None else "photo",
        mission=group.mission,
        group_id=printable(group.group_id),
        label=group.label,
        image=printable(photo.name) if photo else None,
        key=printable(photo.key if photo else group.folder),
        reason=reason,
        detail=detail,
    )
