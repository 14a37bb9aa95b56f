"""Find the photos of a folder, at any depth, by their names; looks into files whose names say nothing."""

from __future__ import annotations

from blocks.errors import BadKey, ObjectMissing, StoreDenied
from blocks.store import Store
from tasks.images.content import FIRST_BYTES, content_of
from tasks.images.names import READ, Named, is_system_folder, named
from tasks.inputs.order import natural_key
from tasks.records.errors import NothingToDo
from tasks.records.photos import Photo


def find_photos(root: Store) -> tuple[list[Photo], int]:
    """All photos below the root, in natural order of their keys, and how many files are none.

    Files and folders whose names start with a dot are none, and neither is what systems keep for themselves
    (`@eaDir`, `lost+found`). A picture in a format that is not read is one: it will be rejected, not lost. Raises
    NothingToDo if there is no photo, StoreError if the root cannot be listed.
    """
    photos, ignored = [], 0
    for info in root.list():
        *folders, name = info.key.split("/")
        if not any(is_system_folder(folder) for folder in folders) and _is_photo(root, info.key, name):
            photos.append(Photo(name=name, key=info.key, size=info.size))
        else:
            ignored += 1
    if not photos:
        raise NothingToDo(f"no photo under {root.uri_of('')}: give a folder with *{', *'.join(sorted(READ))}")
    return sorted(photos, key=lambda photo: [natural_key(part) for part in photo.key.split("/")]), ignored


def _is_photo(root: Store, key: str, name: str) -> bool:
    promised = named(name)
    if promised is not Named.UNKNOWN:
        return promised is Named.PHOTO
    try:
        with root.open(key) as stream:
            return content_of(stream.read(FIRST_BYTES)).is_picture
    except (ObjectMissing, StoreDenied, BadKey):
        return False
