"""Turns the operating system's errors into store errors, by errno. Knows no store and no key rule."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from blocks.errors import BadKey, ObjectMissing, StoreDenied, StoreError, StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_IN_THE_WAY = "a file is where a directory must be, or the other way round: move it, or choose another root"
_NO_ACCESS = "the operating system refused access: check owner, mode and mount of the directory"

# What a busy machine or a network file system answers while it is away: the same call can work later.
_PASSING = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.EIO,
        errno.EMFILE,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOLCK,
        errno.ENOMEM,
        errno.ENOTCONN,
        errno.EREMOTEIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def translate(error: OSError, uri: str, *, writing: bool = False) -> StoreError:
    """The store error that an OSError on the path `uri` stands for; `writing` tells a missing from a blocked path."""
    number = error.errno
    name = errno.errorcode.get(number, str(number)) if number is not None else type(error).__name__
    if number in _FULL:
        return StoreFull(f"no space or quota is left ({name}): free some, or choose another root", uri=uri)
    if number in _REFUSED:
        return StoreDenied(f"{_NO_ACCESS} ({name})", uri=uri)
    if number == errno.ENAMETOOLONG:
        return BadKey("the path is too long for this file system: shorten the key or the root", uri=uri)
    if number == errno.ELOOP:
        return StoreDenied("symlinks lead in a circle, or changed while we looked: remove them", uri=uri)
    if number in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR) and writing:
        return StoreDenied(f"{_IN_THE_WAY} ({name})", uri=uri)
    if number == errno.ENOENT and writing:
        return StoreUnavailable("the directory went away while we wrote: try again", uri=uri)
    if number in (errno.ENOENT, errno.ENOTDIR):
        return ObjectMissing("there is no such file or directory: check the path", uri=uri)
    if number in _PASSING:
        return StoreUnavailable(f"the file system did not answer ({name}): try again", uri=uri)
    return StoreDenied(f"the file system refused the operation ({name}): {os.strerror(number or 0)}", uri=uri)


@contextmanager
def translated(uri: str, *, writing: bool = False) -> Iterator[None]:
    """Raise the store error in place of any OSError of the block."""
    try:
        yield
    except OSError as error:
        raise translate(error, uri, writing=writing) from error


class TranslatingFile(io.FileIO):
    """An open file whose reads raise store errors: a network disk can fail in the middle of a photo."""

    def __init__(self, descriptor: int, uri: str) -> None:
        self._uri = uri
        super().__init__(descriptor, "rb", closefd=True)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer`; the number of bytes read, 0 at the end."""
        with translated(self._uri):
            return super().readinto(buffer)

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes, all of them when it is negative."""
        with translated(self._uri):
            return super().read(-1 if size is None else size)

    def readall(self) -> bytes:
        """Everything from here to the end."""
        with translated(self._uri):
            return super().readall()
