"""Re-read a published run's files against its manifest: digests, sizes, counts, every record. Knows no kind of run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from blocks.errors import ObjectMissing
from blocks.store import Store
from tasks.records.base import FileEntry
from tasks.records.errors import ManifestError
from tasks.records.jsonl import parse, read_lines, to_line

RecordT = TypeVar("RecordT", bound=BaseModel)
ManifestT = TypeVar("ManifestT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Checked(Generic[ManifestT]):
    """A run that checked out: what kind of run, its manifest, and how much was read."""

    stage: str
    manifest: ManifestT
    sha256: str
    objects: int
    records: int
    bytes: int

    @classmethod
    def of(cls, stage: str, manifest: ManifestT, sha256: str, files: Sequence[FileEntry]) -> Checked[ManifestT]:
        """From the files that the manifest lists, itself counted as an object."""
        records, size = sum(entry.records for entry in files), sum(entry.size for entry in files)
        return cls(stage, manifest, sha256, len(files) + 1, records, size)


def read_canonical(kind: type[ManifestT], store: Store, key: str, expected: str | None) -> tuple[ManifestT, str]:
    """A manifest and its sha256. Raises ManifestError if that is not `expected`, or if the bytes are not canonical."""
    data = store.read(key)
    digest = hashlib.sha256(data).hexdigest()
    if expected is not None and digest != expected:
        raise ManifestError(f"{store.uri_of(key)} has sha256 {digest}, expected {expected}")
    manifest = parse(kind, data, store.uri_of(key))
    try:
        canonical = to_line(manifest) == data
    except ValueError:  # NaN or a lone surrogate, which JSON can spell and canonical JSON cannot
        canonical = False
    if not canonical:
        raise ManifestError(f"{store.uri_of(key)} was changed: it is not in canonical form")
    return manifest, digest


def entry_of(files: Sequence[FileEntry], name: str, store: Store, key: str) -> FileEntry:
    """The entry of a file that the manifest at `key` must list. Raises ManifestError if it does not."""
    for entry in files:
        if entry.name == name:
            return entry
    raise ManifestError(f"{store.uri_of(key)} does not list {name}")


def reread(kind: type[RecordT], store: Store, key: str, entry: FileEntry) -> Iterator[RecordT]:
    """Records of one file of a run. Digest, size and count are checked when the file ends."""
    place = f"{key.rpartition('/')[0]}/{entry.name}"
    digest = hashlib.sha256()
    size = count = 0

    def lines() -> Iterator[bytes]:
        nonlocal size
        try:
            stream = store.open(place)
        except ObjectMissing as error:
            raise ManifestError(f"{store.uri_of(place)} is missing, but the manifest lists it") from error
        with stream:
            for line in stream:
                digest.update(line)
                size += len(line)
                yield line

    for _, record in read_lines(kind, lines(), store.uri_of(place)):
        count += 1
        yield record
    if (size, digest.hexdigest(), count) != (entry.size, entry.sha256, entry.records):
        raise ManifestError(
            f"{store.uri_of(place)} was changed: {size} bytes, {count} records, sha256 {digest.hexdigest()}; the "
            f"manifest says {entry.size}, {entry.records}, {entry.sha256}"
        )
