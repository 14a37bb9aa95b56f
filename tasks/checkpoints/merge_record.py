"""Merged checkpoints as they are kept: the record in each of them, and one folder a key, made once and whole.

<root>/<key>.lock     held (flock) by the process that merges; free as soon as that process is gone
<root>/.<key>-*       a merge under way, or what a killed one left; swept by the next that holds the lock
<root>/<key>/         a merged checkpoint; it appears with all of its files, by a rename
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.checkpoints.fingerprint import counted, fingerprint
from tasks.engines.folders.files import read_json
from tasks.records.errors import CheckpointError, MergeFailed

MARKER = "merged.json"
FORMAT = 1
"""Raised when the same base and adapters would be merged into something else than before."""

_LOOK = 0.2  # seconds between two looks at a lock
_TELL = 30.0  # seconds between two lines about waiting for it


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


def merge_root(root: str | None) -> Path:
    """The folder of merged checkpoints, made if need be. Raises MergeFailed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folder = (Path(root).expanduser() if root else cache / "fieldcheck" / "merged").resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MergeFailed(f"{folder} cannot be made: {error.strerror}; give another merge.root") from error
    return folder


@contextmanager
def locked(root: Path, key: str, most_seconds: float, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a key, after waiting at most `most_seconds` for whoever holds it. Raises MergeFailed."""
    path = root / f"{key}.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise MergeFailed(f"{path} cannot be opened: {error.strerror}; give another merge.root") from error
    try:
        _take(descriptor, path, most_seconds, say)
        yield
    finally:
        os.close(descriptor)  # which frees the lock; the file stays, or two could hold two locks of one name


def _take(descriptor: int, path: Path, most_seconds: float, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    told = -_TELL
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - began
            if waited > most_seconds:
                raise MergeFailed(
                    f"another process has been merging the same adapters for {waited:.0f} s and holds {path}; "
                    "wait for it, or end it"
                ) from None
            if waited - told >= _TELL:
                told = waited
                say(f"waiting for another process that merges the same adapters ({waited:.0f} s)")
            time.sleep(_LOOK)
        except OSError as error:
            raise MergeFailed(
                f"{path} cannot be locked: {error.strerror}; give a merge.root on a local disk"
            ) from error
        else:
            return


@contextmanager
def building(root: Path, key: str) -> Iterator[Path]:
    """A hidden folder to work in, gone afterwards. Only for the holder of the lock, who sweeps what others left."""
    for left in root.glob(f".{key}-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_space(root: Path, needed: int) -> None:
    """Raises MergeFailed if fewer than `needed` bytes are free."""
    free = shutil.disk_usage(root).free
    if free < needed:
        raise MergeFailed(
            f"the merge needs {needed} bytes and {root} has {free} free; make room, or give a merge.root elsewhere"
        )


def publish(made: Path, record: Record, target: Path) -> None:
    """Write the record into `made`, put everything on the disk, and let it appear as `target`.

    What is there already was judged and goes. Only for the holder of the lock.
    """
    (made / MARKER).write_text(record.to_json(), encoding="utf-8")
    for path in sorted(made.rglob("*")):
        if path.is_file():
            path.chmod(0o644)  # safetensors makes files that only their owner reads
        _sync(path)
    made.chmod(0o755)
    _sync(made)
    if target.exists():
        target.rename(Path(tempfile.mkdtemp(dir=made.parent)) / "old")
    made.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
