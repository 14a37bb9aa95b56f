"""Find the groups of a mission under an input root. Knows names and sizes; opens no photo.

Layout: `<mission>/{审核通过|审核不通过|待审核}/<group_id>/*` or `<mission>/<group_id>/*`. A folder whose name is nearly
a label's is none and no group: groups in it are found, and rejected by verification. Folders that systems make for
themselves (`@eaDir`, `#recycle`, `lost+found`) are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from blocks.store import ObjectInfo, Store
from configs.stores import key_fault
from tasks.images.names import Named, is_system_folder, named
from tasks.inputs.ignored import Ignored
from tasks.inputs.near import near_label, near_marker, near_names
from tasks.ledger.groups import Groups, State
from tasks.records.errors import NothingToDo
from tasks.records.photos import MARKER, PENDING_FOLDER, Group, Label, Photo, on_one_line, printable

_LABELS: dict[str, Label | None] = {Label.PASS: Label.PASS, Label.FAIL: Label.FAIL, PENDING_FOLDER: None}


@dataclass(frozen=True, slots=True)
class Discovery:
    """How many groups and photos were found, how many files beside photos verification has to look into, and what was
    left out. `near` are folders that are nearly called as the mission or a label is: (folder, what it is near to)."""

    groups: int
    photos: int
    unknown: int
    ignored: Ignored
    near: tuple[tuple[str, str], ...] = ()

    def warnings(self) -> list[str]:
        """What was left out and costs the mission something, in words."""
        told = (
            f"the folder “{on_one_line(name)}” is nearly {wanted} and does not count; rename it"
            for name, wanted in self.near
        )
        return [*told, *self.ignored.warnings()]


def discover(root: Store, mission: str, groups: Groups) -> Discovery:
    """Put the groups of a mission into the ledger, with their photos and sizes from the listing.

    Groups without photos are there too, with none. Two groups in different folders with the same id and label
    (`待审核/A` and `A`) are both kept. Raises NothingToDo if there is no group, StoreError if the root cannot be
    listed.
    """
    prefix = f"{mission}/"
    near = [(name, mission) for name in near_names(mission, root.folders(""))]
    for name in _folders(root, prefix):
        meant = near_label(name)
        if meant:
            near.append((f"{prefix}{name}", " or ".join(meant)))
        if meant or name in _LABELS:
            for group_id in _folders(root, f"{prefix}{name}/"):
                groups.add(_group(f"{prefix}{name}/{group_id}", mission))
        else:
            groups.add(_group(f"{prefix}{name}", mission))
    found = _sort_in(root.list(prefix), groups, near)
    if not found.groups:
        told = "".join(f"; {line}" for line in found.warnings())
        raise NothingToDo(
            f"no group under {root.uri_of(mission)}: photos belong in "
            f"<mission>/<group_id>/ or <mission>/{Label.PASS}|{Label.FAIL}|{PENDING_FOLDER}/<group_id>/{told}"
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
    return _LABELS.get(_head(folder, mission))


def label_meant(folder: str, mission: str) -> tuple[str, ...]:
    """The labels that the folder around a group is near to, where it is none."""
    return near_label(_head(folder, mission))


def _head(folder: str, mission: str) -> str:
    return folder[len(mission) + 1 :].rpartition("/")[0]


def _sort_in(listing: Iterator[ObjectInfo], groups: Groups, near: Iterable[tuple[str, str]] = ()) -> Discovery:
    photos = unknown = 0
    ignored = Ignored()
    for info in listing:
        folder, _, name = info.key.rpartition("/")
        if name == MARKER and groups.mark(folder):
            continue
        promised = named(name)
        # Near misses of the marker go along, for verification to say which group has one.
        looked_at = promised in (Named.PHOTO, Named.UNKNOWN) or near_marker(name)
        if not looked_at or not groups.add_photo(folder, Photo(name=name, key=info.key, size=info.size)):
            ignored.add(info.key)
        elif promised is Named.PHOTO:
            photos += 1
        else:
            unknown += 1
    return Discovery(groups.count(State.FOUND), photos, unknown, ignored, tuple(near))


def _folders(root: Store, prefix: str) -> Iterator[str]:
    return (name for name in root.folders(prefix) if not is_system_folder(name))


def _group(folder: str, mission: str) -> Group:
    return Group(
        group_id=folder.rpartition("/")[2],
        mission=mission,
        label=label_of(folder, mission),
        photos=(),
        folder=folder,
    )
