"""What is written into a merged checkpoint about its making, and how it is read back. Merges and compares nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.checkpoints.fingerprint import counted, fingerprint
from tasks.engines.folders.files import read_json
from tasks.records.errors import CheckpointError

MARKER = "merged.json"
FORMAT = 1
"""Raised when the same base and adapters would be merged into something else than before."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How like a merged checkpoint is to its base with adapters, on probe photos.

    `same` of `photos` have the same greedy text. `largest_logit_difference` is over every answer token of the adapters'
    text and the whole vocabulary, both models being given that text. `first_difference` is the first photo whose text
    differs, and where.
    """

    photos: int
    same: int
    share: float
    largest_logit_difference: float
    first_difference: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """A merge: fingerprints of its sources and of the result, bytes of each file that counts, and how it went."""

    base: str
    adapters: tuple[str, ...]
    fingerprint: str
    dtype: str
    files: dict[str, int]
    seconds: float
    parity: Parity
    parity_on: str
    versions: dict[str, str]
    made_at: str

    def to_json(self) -> str:
        """One JSON object, keys sorted, with the format's number."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def merge_key(base: str, adapters: tuple[str, ...]) -> str:
    """Name of the folder for a base and adapters: 64 hex digits, of their fingerprints and the format's number."""
    return hashlib.sha256("\n".join([f"fieldcheck merge {FORMAT}", base, *adapters, ""]).encode()).hexdigest()


def read_record(folder: Path) -> Record | None:
    """The record in a folder, if there is one that can be read."""
    try:
        content = read_json(folder / MARKER)
        return None if content is None or content.pop("format", None) != FORMAT else _record(content)
    except (CheckpointError, TypeError, KeyError, ValueError, AttributeError):
        return None


def is_whole(folder: Path, record: Record, *, every_byte: bool = False) -> bool:
    """Whether a folder holds the files that its record names, of the same sizes; `every_byte` reads them all."""
    try:
        if sizes(folder) != record.files:
            return False
        return not every_byte or fingerprint(folder) == record.fingerprint
    except (OSError, CheckpointError):
        return False


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of every file in a folder that can change a text, by name; files of other kinds may come and go."""
    return {name: (folder / name).stat().st_size for name in counted(folder)}


def _record(content: dict[str, Any]) -> Record:
    parity = Parity(**content.pop("parity"))
    return Record(adapters=tuple(content.pop("adapters")), parity=parity, **content)
