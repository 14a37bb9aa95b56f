"""The photos of a run that has no groups, in order, and why some of them cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import astuple, dataclass

from tasks.ledger.database import Database
from tasks.records.errors import PhotoError
from tasks.records.photos import Photo
from tasks.records.reasons import Reason

SCHEMA = """
CREATE TABLE photos(number INTEGER PRIMARY KEY, place BLOB NOT NULL, photo TEXT NOT NULL, reason TEXT, detail TEXT);
CREATE UNIQUE INDEX photos_in_order ON photos(place);
"""

_PAGE = 256


@dataclass(frozen=True, slots=True)
class PhotoEntry:
    """A photo of the set; `error` says why it cannot be used, if it was looked at and cannot."""

    number: int
    photo: Photo
    error: PhotoError | None


class PhotoSet:
    """The photos of one run. Names may not be UTF-8."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, photo: Photo, place: bytes) -> None:
        """Add a photo; `place` is its own, and sorts where the photo belongs."""
        self._db.run("INSERT INTO photos(place, photo) VALUES(?,?)", (place, json.dumps(astuple(photo))))

    def settle(self, number: int, photo: Photo, error: PhotoError | None) -> None:
        """Note what a look at a photo found."""
        self._db.run(
            "UPDATE photos SET photo=?, reason=?, detail=? WHERE number=?",
            (json.dumps(astuple(photo)), error and error.reason.value, error and error.detail, number),
        )

    def drop(self, number: int) -> None:
        """Take out what turned out to be no photo."""
        self._db.run("DELETE FROM photos WHERE number=?", (number,))

    def forget(self) -> None:
        """Drop all photos, for another try."""
        self._db.run("DELETE FROM photos")

    def count(self) -> int:
        """How many photos there are."""
        row = self._db.row("SELECT count(*) FROM photos")
        return row[0] if row else 0

    def entries(self) -> Iterator[PhotoEntry]:
        """All photos, in order. They may be settled while they are read."""
        after = b""
        while True:
            page = self._db.rows(
                f"SELECT number, place, photo, reason, detail FROM photos WHERE place>? ORDER BY place LIMIT {_PAGE}",
                (after,),
            )
            if not page:
                return
            for number, _, photo, reason, detail in page:
                error = None if reason is None else PhotoError(Reason(reason), detail)
                yield PhotoEntry(number, Photo(*json.loads(photo)), error)
            after = page[-1][1]
