"""Files that are no photos of a group: how many of which kind, and the first of each. Knows no store."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from tasks.images.names import Named, is_system_folder, named
from tasks.inputs.near import near_marker
from tasks.records.photos import on_one_line

_NAMED = 5


class Kind(StrEnum):
    """Why a file was left out; `one` and `many` as in "1 document"."""

    STRAY_PHOTO = "photo in no group"
    NEAR_MARKER = "near miss of the marker"
    VIDEO = "video or sound"
    DOCUMENT = "document or archive"
    SYSTEM = "file of a system or a program"
    OTHER = "other file"


_KINDS = {
    Named.PHOTO: Kind.STRAY_PHOTO,
    Named.VIDEO: Kind.VIDEO,
    Named.DOCUMENT: Kind.DOCUMENT,
    Named.SYSTEM: Kind.SYSTEM,
}
_TOLD = {
    Kind.STRAY_PHOTO: ("photos that lie in no group", "move them into a group's folder"),
    Kind.NEAR_MARKER: ("markers that are nearly called stage_a_complete", "they do not count; rename them"),
}
"""What people must be told, and what to do: here the mission loses something."""


@dataclass(slots=True)
class Ignored:
    """Files that were left out, counted by kind, with the first few of each."""

    counts: dict[Kind, int] = field(default_factory=dict)
    _first: dict[Kind, list[str]] = field(default_factory=dict)

    def add(self, key: str) -> None:
        """Note a file, by its key under the input root."""
        kind = kind_of(key)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        first = self._first.setdefault(kind, [])
        insort(first, key)  # the same whatever the order of the listing
        del first[_NAMED:]

    @property
    def total(self) -> int:
        """How many files that are."""
        return sum(self.counts.values())

    @property
    def examples(self) -> tuple[str, ...]:
        """The first few of each kind, those first that people must know of."""
        return tuple(key for kind in self._kinds() for key in self._first[kind])

    def warnings(self) -> list[str]:
        """What of it costs the mission something, in words, each with an example."""
        kinds = [kind for kind in self._kinds() if kind in _TOLD]
        return [f"{_TOLD[kind][0]}: {self._counted(kind)}; {_TOLD[kind][1]}" for kind in kinds]

    def line(self) -> str:
        """All of it on one line, with an example of each kind."""
        return "; ".join(f"{kind.value}: {self._counted(kind)}" for kind in self._kinds())

    def _counted(self, kind: Kind) -> str:
        return f"{self.counts[kind]}, such as {on_one_line(self._first[kind][0])}"

    def _kinds(self) -> Iterable[Kind]:
        return (kind for kind in Kind if kind in self.counts)


def kind_of(key: str) -> Kind:
    """What a file that is no photo of a group is, by its key."""
    *folders, name = key.split("/")
    if any(is_system_folder(folder) for folder in folders):
        return Kind.SYSTEM
    promised = named(name)
    if promised is not Named.PHOTO and near_marker(name):
        return Kind.NEAR_MARKER
    return _KINDS.get(promised, Kind.OTHER)
