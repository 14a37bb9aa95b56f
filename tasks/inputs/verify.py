"""Verify groups before any inference: every photo is read once, hashed, and judged by its header.

Knows no model. What is wrong is recorded with a typed reason, never raised, so that one bad photo costs its own group
and nothing else. A file whose name says nothing is a photo if its first bytes say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from blocks.store import Store
from configs.parts import InputConfig
from tasks.common.prefetch import prefetch
from tasks.images.names import fits
from tasks.inputs.discover import Discovery, label_meant
from tasks.inputs.look import READERS, Looked, is_near, is_unpublishable, look
from tasks.inputs.order import natural_key
from tasks.ledger.groups import Groups, State
from tasks.records.photos import MARKER, Group, Photo, on_one_line, printable
from tasks.records.reasons import Reason
from tasks.records.stage_a import QuarantineEntry

_NAMED = 20


@dataclass(frozen=True, slots=True)
class InputReport:
    """What verification found, in numbers; the groups are in the ledger.

    `photos` are those of the accepted groups, with sha256 (and width and height when headers were read).
    `rejected_photos` counts all photos of rejected groups, and those that accepted groups go on without. `examples` are
    the first of the lines for quarantine, `ignored` and `ignored_examples` files that are no photos of a group, and
    `ignored_kinds` says of which kinds these are. `notes` are what people must be told beside: photos in no group,
    folders and markers with nearly the right name, photos whose names say another format.
    """

    groups: int
    photos: int
    rejected_groups: int
    rejected_photos: int
    examples: tuple[QuarantineEntry, ...]
    ignored: int
    ignored_examples: tuple[str, ...]
    ignored_kinds: str = ""
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """What the run's page says of the input: the notes, and what was left out."""
        return (
            (*self.notes, f"files that are no photos of a group: {self.ignored_kinds}") if self.ignored else self.notes
        )


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
    are always rejected: there is nothing to summarise. `on_photo` is called once a file that was looked into. Raises
    StoreError when the store itself fails.
    """
    rejected_photos = 0
    examples: list[QuarantineEntry] = []
    misnamed, first_misnamed = 0, ""
    with ThreadPoolExecutor(READERS, thread_name_prefix="verify") as pool:
        results = _results(pool, root, groups, config, headers)
        for entry in groups.entries(State.FOUND):
            looked = []
            for _ in entry.group.photos:
                looked.append(next(results))
                on_photo()
            for other in (one for one in looked if not one.is_photo):
                found.ignored.add(other.photo.key)
            looked = [one for one in looked if one.is_photo]
            for one in looked:
                if one.format and not fits(one.photo.name, one.format):
                    misnamed += 1
                    first_misnamed = first_misnamed or f"{on_one_line(one.photo.key)} ({one.format})"
            group = replace(entry.group, photos=tuple(one.photo for one in looked))
            faults = [_entry(group, one.error.reason, one.error.detail, one.photo) for one in looked if one.error]
            good = tuple(one.photo for one in looked if one.error is None)
            dropped = 0 if partial and good else len(faults)
            whole = _group_fault(group, good, dropped, config, headers, entry.group.photos)
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
    notes = found.warnings()
    if misnamed:
        notes.append(
            f"photos of another format than their names say: {misnamed}, such as {first_misnamed}; they are read"
        )
    return InputReport(
        groups=accepted,
        photos=photos_accepted,
        rejected_groups=groups.count(State.REJECTED),
        rejected_photos=rejected_photos,
        examples=tuple(examples),
        ignored=found.ignored.total,
        ignored_examples=found.ignored.examples,
        ignored_kinds=found.ignored.line(),
        notes=tuple(notes),
    )


def _results(
    pool: ThreadPoolExecutor, root: Store, groups: Groups, config: InputConfig, headers: bool
) -> Iterator[Looked]:
    """What came of each file, group by group, read ahead of the group that is judged."""
    photos = (photo for entry in groups.entries(State.FOUND) for photo in _in_order(entry.group).photos)
    return prefetch(pool, lambda photo: look(root, photo, config, headers), photos, 2 * READERS)


def _in_order(group: Group) -> Group:
    return replace(group, photos=tuple(sorted(group.photos, key=lambda photo: natural_key(photo.name))))


def _group_fault(
    group: Group,
    photos: tuple[Photo, ...],
    faults: int,
    config: InputConfig,
    headers: bool,
    files: tuple[Photo, ...],
) -> QuarantineEntry | None:
    """What is wrong with a group whose good photos are `photos`, `files` being all that was looked into."""
    if meant := label_meant(group.folder, group.mission):
        folder = on_one_line(group.folder.split("/")[1])
        detail = f"the folder “{folder}” is no label; if it is {' or '.join(meant)}, rename it"
        return _entry(group, Reason.UNCLEAR_LABEL, detail)
    if faults:
        return _entry(group, Reason.PHOTO_REJECTED, f"{faults} of {len(group.photos)} photos rejected")
    if not group.photos:
        return _entry(group, Reason.EMPTY_GROUP, "the folder holds no photo")
    if is_unpublishable(group.group_id):
        return _entry(group, Reason.BAD_NAME, "the group id is not UTF-8 or has control characters")
    if not headers:
        return None
    if config.markers == "required" and not group.marked:
        near = next(
            (f"; {on_one_line(file.name)} is nearly called so, rename it" for file in files if is_near(file)), ""
        )
        return _entry(group, Reason.MARKER_MISSING, f"no file {MARKER}; the work order is not complete{near}")
    if config.duplicates == "reject":
        first: dict[str, str] = {}
        for photo in photos:
            if photo.sha256 in first:
                return _entry(
                    group, Reason.DUPLICATE_PHOTO, f"{photo.name} has the same bytes as {first[photo.sha256]}"
                )
            first[photo.sha256] = photo.name
    return None


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
