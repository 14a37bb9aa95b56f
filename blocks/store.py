"""The store protocol, objects by key under one root, and the check of keys. Knows not what keys and bytes mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol, runtime_checkable

from blocks.errors import BadKey
from configs.stores import key_fault


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of an object without reading it: key, size in bytes, and when it was written, in seconds since
    1970 by the store's clock; 0 where that is not known."""

    key: str
    size: int
    modified: float = field(default=0.0, compare=False)


@runtime_checkable
class Store(Protocol):
    """Objects by key, under one root URI. Keys are `/`-separated, relative, without `.` or `..` parts.

    A write is atomic: a reader sees the whole object or none. Every method raises the leaves of
    `blocks.errors.StoreError` and nothing else.
    """

    @property
    def uri(self) -> str:
        """Root URI, without a trailing slash: an absolute path, or `s3://bucket/prefix`."""
        ...

    def uri_of(self, key: str) -> str:
        """URI of one object, for messages and manifests."""
        ...

    def check(self, *, write: bool = False) -> None:
        """Fail now, with the reason, if the root cannot be used (no bucket, no access, unreachable).

        With write=False the root must exist and be readable. With write=True it must also take objects; a local
        directory is then made if it is missing. Leaves nothing visible behind.
        """
        ...

    def stat(self, key: str) -> ObjectInfo | None:
        """Size of an object, or None if there is none."""
        ...

    def read(self, key: str) -> bytes:
        """The whole object. Raises ObjectMissing."""
        ...

    def open(self, key: str) -> BinaryIO:
        """The object as a binary stream to read from; close it. Raises ObjectMissing."""
        ...

    def write(self, key: str, data: bytes, *, replace: bool = True) -> ObjectInfo:
        """Store `data` under `key`, atomically. With replace=False raises ObjectExists if it is there already
        (as far as the server enforces that)."""
        ...

    def upload(self, key: str, source: BinaryIO, *, replace: bool = True) -> ObjectInfo:
        """Like write, from a seekable stream of any size, from where it stands to its end; large objects go up in
        parts. What the stream itself raises passes unchanged."""
        ...

    def swap(self, key: str, data: bytes, before: bytes | None) -> None:
        """Store `data` if the object is still exactly `before`, None for no object; fine too if it is `data` already.

        Raises ObjectExists if it is another by then, perhaps one that has replaced `data` already. A local directory
        holds that even against a writer that was frozen between its look and its write; an S3 server does if it obeys
        `If-Match` and `If-None-Match`."""
        ...

    def sweep(self, prefix: str, older_than: float) -> int:
        """Remove what killed writers left under `prefix`, which no listing shows, if it was last written to more than
        `older_than` seconds ago by the store's clock; how many there were."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object under `prefix` (a key followed by `/`, or empty for all), in no promised order.

        Names are as found: one that others wrote may not be a key, and reading it then raises BadKey. What cannot be
        read (a symlink that leads out or nowhere, a pipe, a device) is there too, with size 0: nothing is left out
        silently.
        """
        ...

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Names of the direct sub-folders under `prefix`, without slashes. A local directory counts when it is
        empty; S3 has no empty folders."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; no error if it is not there."""
        ...


def check_key(key: str, uri: str) -> str:
    """`key` itself. Raises BadKey, naming the store at `uri`, when it is not a key that we write."""
    fault = key_fault(key)
    if fault is not None:
        raise BadKey(f"the key {_shown(key)} cannot be used: {fault}", uri=uri)
    return key


def check_prefix(prefix: str, uri: str) -> str:
    """A listing prefix without its trailing slash; empty stands for the whole store. Raises BadKey."""
    bare = prefix.removesuffix("/")
    if not prefix:
        return ""
    return check_key(bare, uri)


def _shown(key: str) -> str:
    # repr also escapes control characters and lone surrogates, so that a log can always hold the message.
    shown = repr(key)
    return shown if len(shown) <= 120 else f"{shown[:100]}... ({len(key)} characters)"
