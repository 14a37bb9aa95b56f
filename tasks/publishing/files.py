"""JSONL files on their way into a run's folder: written aside, hashed and counted, then uploaded. Knows no record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from blocks.store import Store
from tasks.records.jsonl import to_line
from tasks.records.stage_a import FileEntry

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A finished file that no reader of the store can see yet, and its entry for the manifest."""

    path: Path
    entry: FileEntry

    def is_in(self, store: Store, folder: str) -> bool:
        """Whether a run's folder has this very file already. Raises StoreError."""
        key = f"{folder}/{self.entry.name}"
        info = store.stat(key)
        if info is None or info.size != self.entry.size:
            return False
        digest = hashlib.sha256()
        with store.open(key) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest() == self.entry.sha256

    def upload(self, store: Store, folder: str) -> None:
        """Put the file into a run's folder. Raises StoreError."""
        with self.path.open("rb") as source:
            store.upload(f"{folder}/{self.entry.name}", source)


class JsonlWriter:
    """Writes records to one file aside, and keeps digest, size and count as it goes."""

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._path = folder / name
        self._file = self._path.open("wb")
        self._digest = hashlib.sha256()
        self._size = 0
        self._records = 0

    def write(self, records: Iterable[BaseModel]) -> None:
        """Append records, one canonical line each."""
        for record in records:
            line = to_line(record)
            self._file.write(line)
            self._digest.update(line)
            self._size += len(line)
            self._records += 1

    def close(self) -> LocalFile:
        """Finish the file."""
        self._file.close()
        entry = FileEntry(name=self._name, sha256=self._digest.hexdigest(), size=self._size, records=self._records)
        return LocalFile(self._path, entry)
