"""The groups of a run with their photos, in order, and what became of each. Knows no store and no outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import Any

from tasks.ledger.database import Database
from tasks.records.jsonl import parse, to_line
from tasks.records.photos import Group, Label, Photo
from tasks.records.stage_a import QuarantineEntry

SCHEMA = """
CREATE TABLE groups(
    number INTEGER PRIMARY KEY, group_id BLOB NOT NULL, label TEXT NOT NULL, folder BLOB NOT NULL,
    mission TEXT NOT NULL, marked INTEGER NOT NULL, state INTEGER NOT NULL, photos TEXT NOT NULL, lines BLOB NOT NULL,
    carried INTEGER NOT NULL
);
CREATE UNIQUE INDEX groups_by_folder ON groups(folder);
CREATE INDEX groups_in_order ON groups(group_id, label, folder);
CREATE TABLE found(number INTEGER NOT NULL, name BLOB NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL);
CREATE INDEX found_by_group ON found(number);
"""

_PAGE = 256


class State(IntEnum):
    """How far a group is: `FOUND` groups were listed, `ACCEPTED` ones go to the model, `REJECTED` ones do not."""

    FOUND = 0
    ACCEPTED = 1
    REJECTED = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """A group in the ledger. `lines` are what verification put into quarantine: of an accepted group, the photos that
    it goes on without."""

    number: int
    group: Group
    state: State
    lines: tuple[QuarantineEntry, ...]


class Groups:
    """The groups of one run. Each is known by its folder, a key under the input root; names may not be UTF-8."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._last: tuple[str, int | None] = ("", None)

    def add(self, group: Group, state: State = State.FOUND, lines: Sequence[QuarantineEntry] = ()) -> None:
        """Add a group with the photos that it has so far; one in the same folder stays as it is."""
        self._db.run(
            "INSERT OR IGNORE INTO groups(group_id, label, folder, mission, marked, state, photos, lines, carried) "
            "VALUES(?,?,?,?,?,?,?,?,?)",
            (
                _pack(group.group_id),
                group.label or "",
                _pack(group.folder),
                group.mission,
                group.marked,
                state,
                _photos_to_json(group.photos),
                _lines(lines),
                state is not State.FOUND,
            ),
        )
        self._last = ("", None)

    def forget_found(self, *, carried: bool) -> None:
        """Drop what was found and verified, for another try; groups that were added as accepted stay if `carried`."""
        kept = "WHERE carried=0" if carried else ""
        self._db.run(f"DELETE FROM groups {kept}")
        self._db.run("DELETE FROM found")
        self._last = ("", None)

    def add_photo(self, folder: str, photo: Photo) -> bool:
        """Add a photo to the group in `folder`; False if there is none."""
        number = self._number(folder)
        if number is None:
            return False
        self._db.run("INSERT INTO found VALUES(?,?,?,?)", (number, _pack(photo.name), _pack(photo.key), photo.size))
        return True

    def mark(self, folder: str) -> bool:
        """Note that the group in `folder` carries its marker; False if there is no such group."""
        number = self._number(folder)
        return number is not None and bool(self._db.run("UPDATE groups SET marked=1 WHERE number=?", (number,)))

    def settle(
        self, entry: Entry, photos: Sequence[Photo], state: State, lines: Sequence[QuarantineEntry] = ()
    ) -> None:
        """Note what verification made of a group."""
        self._db.run(
            "UPDATE groups SET photos=?, state=?, lines=? WHERE number=?",
            (_photos_to_json(photos), state, _lines(lines), entry.number),
        )
        self._db.run("DELETE FROM found WHERE number=?", (entry.number,))

    def count(self, *states: State) -> int:
        """How many groups are in one of the states; in any, if none is given."""
        wanted = ",".join(str(int(state)) for state in states or State)
        row = self._db.row(f"SELECT count(*) FROM groups WHERE state IN ({wanted})")
        return row[0] if row else 0

    def found_photos(self) -> int:
        """How many photos wait for verification."""
        row = self._db.row("SELECT count(*) FROM found")
        return row[0] if row else 0

    def entries(self, *states: State) -> Iterator[Entry]:
        """Groups in one of the states, by id, then label, then folder; all of them if no state is given.

        The photos of a group that was only found are in no order. Groups may be settled while they are read.
        """
        wanted = ",".join(str(int(state)) for state in states or State)
        # A page at a time, by key: a query that stays open would see rows change under it.
        after: tuple[Any, ...] = (b"", "", b"")
        while True:
            page = self._db.rows(
                "SELECT number, group_id, label, folder, mission, marked, state, photos, lines FROM groups "
                f"WHERE state IN ({wanted}) AND (group_id, label, folder) > (?,?,?) "
                f"ORDER BY group_id, label, folder LIMIT {_PAGE}",
                after,
            )
            if not page:
                return
            for row in page:
                yield self._entry(row)
            after = (page[-1][1], page[-1][2], page[-1][3])

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        number, group_id, label, folder, mission, marked, state, photos, lines = row
        known = [Photo(*fields) for fields in json.loads(photos)]
        if state == State.FOUND:
            found = self._db.rows("SELECT name, key, size FROM found WHERE number=?", (number,))
            known += [Photo(_unpack(name), _unpack(key), size) for name, key, size in found]
        group = Group(
            group_id=_unpack(group_id),
            mission=mission,
            label=Label(label) if label else None,
            photos=tuple(known),
            marked=bool(marked),
            folder=_unpack(folder),
        )
        told = tuple(parse(QuarantineEntry, line, "the ledger") for line in lines.split(b"\n")[:-1])
        return Entry(number, group, State(state), told)

    def _number(self, folder: str) -> int | None:
        # A listing names the photos of one folder one after the other.
        if self._last[0] != folder:
            row = self._db.row("SELECT number FROM groups WHERE folder=?", (_pack(folder),))
            self._last = (folder, row[0] if row else None)
        return self._last[1]


def _pack(name: str) -> bytes:
    # Names from a disk need not be UTF-8; as bytes they sort as Python sorts them.
    return name.encode("utf-8", "surrogateescape")


def _unpack(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _photos_to_json(photos: Sequence[Photo]) -> str:
    return json.dumps([astuple(photo) for photo in photos])


def _lines(lines: Sequence[QuarantineEntry]) -> bytes:
    return b"".join(to_line(line) for line in lines)
