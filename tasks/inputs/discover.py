"""Find the groups of a mission under an input root. Knows names and sizes; opens no photo.

Layout: `<mission>/{审核通过|审核不通过|待审核}/<group_id>/*` or `<mission>/<group_id>/*`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from blocks.store import ObjectInfo, Store
from tasks.inputs.order import natural_key
from tasks.records.errors import NothingToDo
from tasks.records.photos import MARKER, PENDING_FOLDER, PHOTO_SUFFIXES, Group, Label, Photo

_LITTER = "__MACOSX"
"""Folder that one archiver adds; it and whatever starts with a dot (`._img1.jpg`) is nobody's photo."""

_LABELS: dict[str, Label | None] = {Label.PASS: Label.PASS, Label.FAIL: Label.FAIL, PENDING_FOLDER: None}


@dataclass(frozen=True, slots=True)
class Discovery:
    """Groups in order, and the keys of files that are no photos of a group."""

    groups: tuple[Group, ...]
    ignored: tuple[str, ...]


@dataclass(slots=True)
class _Folder:
    """What is found of one group while the listing goes by."""

    photos: list[ObjectInfo] = field(default_factory=list)
    marked: bool = False


def discover(root: Store, mission: str) -> Discovery:
    """The groups of a mission, by id, then label; photos in natural order; sizes from the listing.

    Groups without photos are there too, with none. Two groups in different folders with the same id and label
    (`待审核/A` and `A`) are both kept, the one in the folder first. Raises NothingToDo if there is no group, StoreError
    if the root cannot be listed.
    """
    prefix = f"{mission}/"
    folders: dict[str, _Folder] = {path: _Folder() for path in _group_paths(root, prefix)}
    ignored: list[str] = []
    for info in root.list(prefix):
        parts = info.key[len(prefix) :].split("/")
        depth = 2 if parts[0] in _LABELS else 1
        folder = folders.get("/".join(parts[:depth])) if len(parts) == depth + 1 else None
        if folder is None or parts[-1].startswith("."):
            ignored.append(info.key)
        elif parts[-1] == MARKER:
            folder.marked = True
        elif parts[-1].lower().endswith(PHOTO_SUFFIXES):
            folder.photos.append(info)
        else:
            ignored.append(info.key)
    if not folders:
        raise NothingToDo(
            f"no group under {root.uri_of(mission)}: photos belong in "
            f"<mission>/<group_id>/ or <mission>/{Label.PASS}|{Label.FAIL}|{PENDING_FOLDER}/<group_id>/"
        )
    groups = [_group(path, folder, mission) for path, folder in folders.items()]
    groups.sort(key=lambda group: group.sort_key)
    return Discovery(tuple(groups), tuple(sorted(ignored)))


def _group_paths(root: Store, prefix: str) -> Iterator[str]:
    """Paths of the group folders below the mission, in a stable order: those in a folder first."""
    for name in sorted(_folders(root, prefix), key=lambda name: (name not in _LABELS, name)):
        if name in _LABELS:
            yield from (f"{name}/{group}" for group in sorted(_folders(root, f"{prefix}{name}/")))
        else:
            yield name


def _folders(root: Store, prefix: str) -> Iterator[str]:
    return (name for name in root.folders(prefix) if not name.startswith(".") and name != _LITTER)


def _group(path: str, folder: _Folder, mission: str) -> Group:
    head, _, tail = path.rpartition("/")
    photos = [Photo(name=info.key.rpartition("/")[2], key=info.key, size=info.size) for info in folder.photos]
    photos.sort(key=lambda photo: natural_key(photo.name))
    return Group(
        group_id=tail,
        mission=mission,
        label=_LABELS.get(head),
        photos=tuple(photos),
        marked=folder.marked,
    )
