"""Find the photos of a folder, at any depth. Knows names and sizes; opens no photo."""

from __future__ import annotations

from blocks.store import Store
from tasks.inputs.order import natural_key
from tasks.records.errors import NothingToDo
from tasks.records.photos import PHOTO_SUFFIXES, Photo


def find_photos(root: Store) -> tuple[list[Photo], int]:
    """All photos below the root, in natural order of their keys, and how many files are none.

    Files and folders whose names start with a dot are none. Raises NothingToDo if there is no photo, StoreError if
    the root cannot be listed.
    """
    photos, ignored = [], 0
    for info in root.list():
        parts = info.key.split("/")
        if parts[-1].lower().endswith(PHOTO_SUFFIXES) and not any(part.startswith(".") for part in parts):
            photos.append(Photo(name=parts[-1], key=info.key, size=info.size))
        else:
            ignored += 1
    if not photos:
        raise NothingToDo(f"no photo under {root.uri_of('')}: give a folder with *{', *'.join(PHOTO_SUFFIXES)}")
    return sorted(photos, key=lambda photo: [natural_key(part) for part in photo.key.split("/")]), ignored
