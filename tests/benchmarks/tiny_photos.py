"""Very many different tiny photos in groups of one mission, made fast. Knows the input layout and no flow.

Each file is one of two encoded pictures with a number behind its end, which every reader passes over: the digests
differ, and nothing is encoded more than twice.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from tasks.records.photos import MARKER, PENDING_FOLDER, Label
from tests.builders import make_photo_bytes

PER_GROUP = 5
SHARD_PHOTOS = 256
NEW_GROUP = "QC-NEW-0001"

_SIDES = ((48, 32), (32, 32))
_FOLDERS = (Label.PASS, Label.FAIL, PENDING_FOLDER, "")
_DUPLICATE_EVERY = 20
"""Of so many groups one has a photo of the group before it."""


def different(photos: int) -> int:
    """How many of `photos` photos are different."""
    return photos - (photos // PER_GROUP) // _DUPLICATE_EVERY


def make_photos(root: Path, mission: str, photos: int) -> bool:
    """Make `photos` photos under `root`, `PER_GROUP` a group, unless they are there, whole; whether they were made."""
    whole = root / f"whole-{photos}"
    forget_new_group(root, mission)
    if whole.is_file():
        return False
    shutil.rmtree(root, ignore_errors=True)
    bodies = [make_photo_bytes(kind, size) for kind, size in zip(("JPEG", "PNG"), _SIDES, strict=True)]
    for group in range(photos // PER_GROUP):
        folder = root / mission / _FOLDERS[group % len(_FOLDERS)] / f"QC-{group:06d}"
        _write(folder, _numbers(group), bodies)
        if group % 3 == 0:
            (folder / MARKER).touch()
    whole.touch()
    return True


def add_new_group(root: Path, mission: str) -> None:
    """One more group of photos that no other group has."""
    bodies = [make_photo_bytes(kind, (40, 40)) for kind in ("JPEG", "PNG")]
    _write(root / mission / PENDING_FOLDER / NEW_GROUP, iter(range(PER_GROUP)), bodies)


def forget_new_group(root: Path, mission: str) -> None:
    """Take away what `add_new_group` added."""
    shutil.rmtree(root / mission / PENDING_FOLDER / NEW_GROUP, ignore_errors=True)


def _numbers(group: int) -> Iterator[int]:
    first = group * PER_GROUP
    yield from range(first, first + PER_GROUP - 1)
    repeats = group % _DUPLICATE_EVERY == _DUPLICATE_EVERY - 1
    yield first - 1 if repeats else first + PER_GROUP - 1


def _write(folder: Path, numbers: Iterator[int], bodies: list[bytes]) -> None:
    folder.mkdir(parents=True)
    for place, number in enumerate(numbers, start=1):
        kind = number % 2
        (folder / f"img{place}.{('jpg', 'png')[kind]}").write_bytes(bodies[kind] + number.to_bytes(8, "big"))
