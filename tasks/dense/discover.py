"""Find the photos of a folder, at any depth, and look at each before any inference."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from blocks.store import Store
from configs.parts import InputConfig
from tasks.common.prefetch import prefetch
from tasks.images.names import READ, Named, is_system_folder, named
from tasks.inputs.look import READERS, Looked, look
from tasks.inputs.order import natural_place
from tasks.ledger.photo_set import PhotoEntry, PhotoSet
from tasks.records.errors import NothingToDo
from tasks.records.photos import Photo


@dataclass(frozen=True, slots=True)
class Found:
    """How many photos a folder has, how many of them cannot be used, and how many other files there are."""

    photos: int
    rejected: int
    ignored: int


def find_photos(
    root: Store, photos: PhotoSet, config: InputConfig, on_photo: Callable[[], None] = lambda: None
) -> Found:
    """Put all photos below the root into the ledger, in natural order of their keys, and look at each.

    Files and folders whose names start with a dot are none, and neither is what systems keep for themselves
    (`@eaDir`, `lost+found`). A picture in a format that is not read is one: it will be rejected, not lost. `on_photo`
    is called once a file that was looked into. Raises NothingToDo if there is no photo, StoreError if the root cannot
    be read.
    """
    photos.forget()
    ignored = 0
    for info in root.list():
        *folders, name = info.key.split("/")
        if any(is_system_folder(folder) for folder in folders) or named(name) not in (Named.PHOTO, Named.UNKNOWN):
            ignored += 1
        else:
            photos.add(Photo(name=name, key=info.key, size=info.size), natural_place(info.key))

    def look_at(entry: PhotoEntry) -> tuple[PhotoEntry, Looked]:
        return entry, look(root, entry.photo, config)

    rejected = 0
    with ThreadPoolExecutor(READERS, thread_name_prefix="look") as pool:
        for entry, looked in prefetch(pool, look_at, photos.entries(), 2 * READERS):
            on_photo()
            if looked.is_photo:
                photos.settle(entry.number, looked.photo, looked.error)
                rejected += looked.error is not None
            else:
                photos.drop(entry.number)
                ignored += 1
    if not photos.count():
        raise NothingToDo(f"no photo under {root.uri_of('')}: give a folder with *{', *'.join(sorted(READ))}")
    return Found(photos.count(), rejected, ignored)
