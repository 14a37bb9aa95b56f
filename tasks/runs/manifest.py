"""A run's manifest: its id, made from its content, and how it gets into the store: last."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Generic, TypeVar

from pydantic import BaseModel

from blocks.errors import ObjectMissing
from blocks.store import Store
from tasks.records.jsonl import to_line
from tasks.runs.files import LocalFile
from tasks.runs.keys import MANIFEST, run_folder

VERSIONED = ("fieldcheck", "pillow", "peft", "tokenizers", "torch", "torchvision", "transformers")
"""Packages that can change a text; their versions are in the manifest."""

ManifestT = TypeVar("ManifestT", bound=BaseModel)


# Without slots: of a frozen class with them, Python 3.11 makes no instance by an alias such as `Published`.
@dataclass(frozen=True)
class PublishedRun(Generic[ManifestT]):
    """A run in the store, and its manifest's place and digest there. `fresh` is False if the very same run was there
    already, whole."""

    uri: str
    key: str
    sha256: str
    manifest: ManifestT
    fresh: bool


def derive_run_id(manifest: BaseModel) -> str:
    """The id that a manifest's content gives: 16 hex digits of the sha256 of the manifest without an id."""
    return hashlib.sha256(to_line(manifest.model_copy(update={"run_id": ""}))).hexdigest()[:16]


def with_run_id(manifest: ManifestT) -> ManifestT:
    """The manifest with the id that its content gives."""
    return manifest.model_copy(update={"run_id": derive_run_id(manifest)})


def put_run(
    store: Store, folder: str, run_id: str, manifest: ManifestT, files: Sequence[LocalFile]
) -> PublishedRun[ManifestT]:
    """Put a run's files and then its manifest below a folder of the store. Raises StoreError.

    Every file is looked at, also when the manifest is there: a run that was damaged is made whole.
    """
    place = run_folder(folder, run_id)
    put = [file.put(store, place) for file in files]
    key, data = f"{place}/{MANIFEST}", to_line(manifest)
    fresh = any(put) or not is_there(store, key, data)
    if fresh:
        store.write(key, data)
    return PublishedRun(store.uri_of(key), key, hashlib.sha256(data).hexdigest(), manifest, fresh)


def versions() -> dict[str, str]:
    """Versions of the packages that can change a text, as far as they are installed."""
    found: dict[str, str] = {}
    for name in VERSIONED:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def is_there(store: Store, key: str, data: bytes) -> bool:
    """Whether an object is in the store, byte for byte."""
    try:
        return store.read(key) == data
    except ObjectMissing:
        return False
