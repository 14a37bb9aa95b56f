"""A run's ledger: its groups and its work in one temporary database. Knows no step."""

from __future__ import annotations

from tasks.ledger import groups, photo_set, works
from tasks.ledger.database import Database
from tasks.records.outcomes import Answered


class Ledger:
    """What a run knows while it works; closes with the run, and a killed run leaves nothing of it behind."""

    def __init__(self, answered: type[Answered] = Answered) -> None:
        """`answered` is the record of the run's answers."""
        self._database = Database(groups.SCHEMA + photo_set.SCHEMA + works.SCHEMA)
        self.groups = groups.Groups(self._database)
        self.photos = photo_set.PhotoSet(self._database)
        self.works = works.Works(self._database, answered)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the disk space back."""
        self._database.close()
