"""A private SQLite database on disk that goes with its process. Knows no table."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from blocks.errors import StoreFull, StoreUnavailable

_CACHE_KIB = 8 * 1024


class Database:
    """One connection to a temporary database.

    The empty name makes SQLite keep it in a file without a name in the temporary folder (`SQLITE_TMPDIR`, `TMPDIR`, or
    /var/tmp): a killed process leaves nothing behind (https://www.sqlite.org/inmemorydb.html, temporary databases).
    Nothing here survives the run, so that there is no journal and no commit.
    """

    def __init__(self, schema: str) -> None:
        with _translated():
            self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._connection.executescript(
                f"PRAGMA cache_size=-{_CACHE_KIB}; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {schema}"
            )
            self._connection.execute("BEGIN")

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Execute; the number of rows that it changed. Raises StoreFull or StoreUnavailable."""
        with _translated():
            return self._connection.execute(statement, values).rowcount

    def run_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Execute once a row; the number of rows that were changed in all. Raises as `run` does."""
        with _translated():
            return self._connection.executemany(statement, rows).rowcount

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query that is bounded by itself. Raises as `run` does."""
        with _translated():
            return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, or None. Raises as `run` does."""
        with _translated():
            found: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
        return found

    def close(self) -> None:
        """Give the disk space back."""
        self._connection.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        uri = f"{tempfile.gettempdir()} or SQLite's own temporary folder"
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            message = "no space is left for the run's own notes: free some, or set SQLITE_TMPDIR to a folder with room"
            raise StoreFull(message, uri=uri) from error
        if code == sqlite3.SQLITE_CANTOPEN:
            raise StoreUnavailable(
                "the folder for temporary files cannot be written: set SQLITE_TMPDIR", uri=uri
            ) from error
        raise
