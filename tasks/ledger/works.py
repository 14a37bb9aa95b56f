"""The work of a run: each different question once, and its outcome when there is one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields
from typing import Any

from tasks.ledger.database import Database
from tasks.records.jsonl import to_line
from tasks.records.outcomes import Answered, Outcome, Unfinished, parse_outcome
from tasks.records.photos import Photo
from tasks.records.work import Text, WorkItem

SCHEMA = """
CREATE TABLE works(number INTEGER PRIMARY KEY, key BLOB NOT NULL, about TEXT NOT NULL, source INTEGER, outcome BLOB,
    asked INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX works_by_key ON works(key);
CREATE INDEX works_claimed ON works(source) WHERE source IS NOT NULL AND outcome IS NULL;
"""

_PAGE = 256
_TEXT_FIELDS = len(fields(Text))


class Works:
    """The work of one run, in the order in which it was added; `answered` is the record of its answers."""

    def __init__(self, database: Database, answered: type[Answered] = Answered) -> None:
        self._db, self._answered = database, answered

    def add(self, item: WorkItem) -> None:
        """Add a work item; the same work key counts once, with the photo that came first."""
        self._db.run(
            "INSERT OR IGNORE INTO works(key, about) VALUES(?,?)",
            (bytes.fromhex(item.work_key), json.dumps(astuple(item.about))),
        )

    def forget(self) -> None:
        """Drop all work, for another try at planning."""
        self._db.run("DELETE FROM works")

    def claim(self, source: int, work_keys: Iterable[str]) -> int:
        """Note that `source` (a number of the caller's) holds outcomes for these keys; how many of them are work of
        this run that no other source holds."""
        return self._db.run_many(
            "UPDATE works SET source=? WHERE key=? AND source IS NULL",
            ((source, bytes.fromhex(key)) for key in work_keys),
        )

    def answer(self, outcomes: Iterable[Outcome], source: int | None = None) -> int:
        """Keep outcomes, given a source only for what it claimed; the number that were kept."""
        return self._db.run_many(
            "UPDATE works SET outcome=? WHERE key=? AND (?3 IS NULL OR source=?3)",
            ((to_line(outcome)[:-1], bytes.fromhex(outcome.work_key), source) for outcome in outcomes),
        )

    def go_on(self, items: Iterable[Unfinished], source: int) -> int:
        """Note how often items were asked before that `source` claimed; how many they are. They stay pending."""
        return self._db.run_many(
            "UPDATE works SET asked=? WHERE key=? AND source=?",
            ((item.asked, bytes.fromhex(item.work_key), source) for item in items),
        )

    def release(self, source: int) -> int:
        """Give up what `source` claimed and said nothing of; how many that are."""
        return self._db.run("UPDATE works SET source=NULL WHERE source=? AND outcome IS NULL AND asked=0", (source,))

    def count(self, *, answered: bool | None = None) -> int:
        """How much work there is: all, or with or without an outcome."""
        where = {None: "", True: "WHERE outcome IS NOT NULL", False: "WHERE outcome IS NULL"}[answered]
        row = self._db.row(f"SELECT count(*) FROM works {where}")
        return row[0] if row else 0

    def unclaimed(self) -> int:
        """How much work no source holds."""
        row = self._db.row("SELECT count(*) FROM works WHERE source IS NULL")
        return row[0] if row else 0

    def pending(self) -> Iterator[WorkItem]:
        """Work without an outcome, in order. Outcomes may be kept while it is read."""
        after = 0
        while True:
            page = self._db.rows(
                "SELECT number, key, about, asked FROM works "
                f"WHERE outcome IS NULL AND number>? ORDER BY number LIMIT {_PAGE}",
                (after,),
            )
            if not page:
                return
            for _, key, about, asked in page:
                yield WorkItem(key.hex(), _about(json.loads(about)), asked)
            after = page[-1][0]

    def outcome(self, work_key: str) -> Outcome | None:
        """The outcome of a work item, or None."""
        row = self._db.row("SELECT outcome FROM works WHERE key=?", (bytes.fromhex(work_key),))
        return None if row is None or row[0] is None else parse_outcome(row[0], "the ledger", self._answered)


def _about(told: list[Any]) -> Photo | Text:
    return Text(*told) if len(told) == _TEXT_FIELDS else Photo(*told)
