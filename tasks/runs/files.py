"""JSONL files on their way into a run's folder: written aside, hashed and counted, then uploaded. Knows no record."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, cast

from pydantic import BaseModel

from blocks.local_errors import translated
from blocks.store import Store
from tasks.records.base import FileEntry
from tasks.records.jsonl import to_line

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A finished file that no reader of the store can see yet, and its entry for the manifest."""

    file: BinaryIO
    entry: FileEntry

    def put(self, store: Store, folder: str) -> bool:
        """Put the file into a run's folder, unless it is there already, byte for byte; whether it was put.

        Raises StoreError.
        """
        if self._is_in(store, folder):
            return False
        self.file.seek(0)
        store.upload(f"{folder}/{self.entry.name}", self.file)
        return True

    def _is_in(self, store: Store, folder: str) -> bool:
        key = f"{folder}/{self.entry.name}"
        info = store.stat(key)
        if info is None or info.size != self.entry.size:
            return False
        digest = hashlib.sha256()
        with store.open(key) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest() == self.entry.sha256


class JsonlWriter:
    """Writes records to a nameless temporary file, and keeps digest, size and count as it goes.

    The file goes with its process: a killed run leaves nothing behind. Every method raises StoreFull when there is no
    room for it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._place = f"{tempfile.gettempdir()} (TMPDIR), for {name}"
        with translated(self._place, writing=True):
            self._file = tempfile.TemporaryFile(buffering=_BLOCK)  # noqa: SIM115  (LocalFile goes on with it)
        self._digest = hashlib.sha256()
        self._size = 0
        self._records = 0

    def write(self, records: Iterable[BaseModel]) -> None:
        """Append records, one canonical line each."""
        for record in records:
            line = to_line(record)
            with translated(self._place, writing=True):
                self._file.write(line)
            self._digest.update(line)
            self._size += len(line)
            self._records += 1

    def close(self) -> LocalFile:
        """Finish the file; it can be read until the process ends or the result is dropped."""
        with translated(self._place, writing=True):
            self._file.flush()
        entry = FileEntry(name=self._name, sha256=self._digest.hexdigest(), size=self._size, records=self._records)
        return LocalFile(cast(BinaryIO, self._file), entry)
