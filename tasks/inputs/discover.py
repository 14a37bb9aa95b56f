"""Find the groups of a mission under an input root. Knows names and sizes; opens no photo.

Layout: `<mission>/{审核通过|审核不通过|待审核}/<group_id>/*` or `<mission>/<group_id>/*`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from blocks.store import ObjectInfo, Store
from configs.stores import key_fault
from tasks.ledger.groups import Groups, State
from tasks.records.errors import NothingToDo
from tasks.records.photos import MARKER, PENDING_FOLDER, PHOTO_SUFFIXES, Group, Label, Photo, printable

_LITTER = "__MACOSX"
"""Folder that one archiver adds; it and whatever starts with a dot (`._img1.jpg`) is nobody's photo."""

_LABELS: dict[str, Label | None] = {Label.PASS: Label.PASS, Label.FAIL: Label.FAIL, PENDING_FOLDER: None}
_NAMED = 20


@dataclass(frozen=True, slots=True)
class Discovery:
    """How many groups and photos were found, how many files are no photos of a group, and the first few of those."""

    groups: int
    photos: int
    ignored: int
    examples: tuple[str, ...]


def discover(root: Store, mission: str, groups: Groups) -> Discovery:
    """Put the groups of a mission into the ledger, with their photos and sizes from the listing.

    Groups without photos are there too, with none. Two groups in different folders with the same id and label
    (`待审核/A` and `A`) are both kept. Raises NothingToDo if there is no group, StoreError if the root cannot be
    listed.
    """
    prefix = f"{mission}/"
    for name in _folders(root, prefix):
        if name in _LABELS:
            for group_id in _folders(root, f"{prefix}{name}/"):
                groups.add(_group(f"{prefix}{name}/{group_id}", mission))
        else:
            groups.add(_group(f"{prefix}{name}", mission))
    found = _sort_in(root.list(prefix), groups)
    if not found.groups:
        raise NothingToDo(
            f"no group under {root.uri_of(mission)}: photos belong in "
            f"<mission>/<group_id>/ or <mission>/{Label.PASS}|{Label.FAIL}|{PENDING_FOLDER}/<group_id>/"
        )
    return found


def discover_again(root: Store, mission: str, folders: Iterable[str], groups: Groups) -> Discovery:
    """Put only the groups in these folders (printable keys under the root) into the ledger; one that is gone is left
    out.

    Raises StoreError if the root cannot be listed.
    """
    wanted: dict[str, set[str]] = {}
    for folder in folders:
        parent, _, name = folder.rpartition("/")
        wanted.setdefault(parent, set()).add(name)
    listings: list[Iterator[ObjectInfo]] = []
    for parent, names in wanted.items():
        # One listing a parent: a folder cannot be asked for by itself on every store, and there may be many.
        there = {name for name in root.folders(f"{parent}/") if printable(name) in names}
        for name in there:
            groups.add(_group(f"{parent}/{name}", mission))
        odd = {f"{parent}/{name}" for name in there if key_fault(name)}
        listings.extend(root.list(f"{parent}/{name}/") for name in there if f"{parent}/{name}" not in odd)
        if odd:  # names that no store takes as a prefix
            listings.append(info for info in root.list(f"{parent}/") if info.key.rpartition("/")[0] in odd)
    return _sort_in(chain.from_iterable(listings), groups)


def label_of(folder: str, mission: str) -> Label | None:
    """The label that a group's folder says."""
    head = folder[len(mission) + 1 :].rpartition("/")[0]
    return _LABELS.get(head)


def _sort_in(listing: Iterator[ObjectInfo], groups: Groups) -> Discovery:
    photos = ignored = 0
    examples: list[str] = []
    for info in listing:
        folder, _, name = info.key.rpartition("/")
        if name == MARKER and groups.mark(folder):
            continue
        is_photo = name.lower().endswith(PHOTO_SUFFIXES) and not name.startswith(".")
        if is_photo and groups.add_photo(folder, Photo(name=name, key=info.key, size=info.size)):
            photos += 1
            continue
        ignored += 1
        if len(examples) < _NAMED:
            examples.append(info.key)
    return Discovery(groups.count(State.FOUND), photos, ignored, tuple(sorted(examples)))


def _folders(root: Store, prefix: str) -> Iterator[str]:
    return (name for name in root.folders(prefix) if not name.startswith(".") and name != _LITTER)


def _group(folder: str, mission: str) -> Group:
    return Group(
        group_id=folder.rpartition("/")[2],
        mission=mission,
        label=label_of(folder, mission),
        photos=(),
        folder=folder,
    )
