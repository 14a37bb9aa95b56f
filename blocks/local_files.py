"""Files that appear whole or not at all: written beside their place under a hidden name, then renamed. Knows no key.

A writer that is killed leaves its hidden file; `sweep` removes those that nobody writes to any more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat as stat_flags
import uuid
from collections.abc import Callable

from blocks.errors import ObjectExists, StoreDenied
from blocks.local_errors import translate, translated
from configs.stores import TEMPORARY_PREFIX

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})


def exists(uri: str) -> ObjectExists:
    """The error of a write that must not replace what is there."""
    return ObjectExists("the object is there already and must not be replaced", uri=uri)


def make_folder(folder: str, uri: str) -> None:
    """Make a folder and those above it. Raises StoreDenied and the like."""
    with translated(uri, writing=True):
        try:
            os.makedirs(folder, exist_ok=True)
        except FileNotFoundError as error:
            message = "no directory can be made there: check the path, and symlinks that point nowhere"
            raise StoreDenied(message, uri=uri) from error


def open_temporary(folder: str) -> tuple[int, str]:
    """A new hidden file in a folder, open for writing, and its path. Raises OSError."""
    path = os.path.join(folder, TEMPORARY_PREFIX + uuid.uuid4().hex)
    # 0o666 less the umask, as for any file that other people's jobs read; mkstemp would make it private.
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666), path


def write_all(descriptor: int, chunk: bytes) -> None:
    """All of the bytes, however many the system takes at a time. Raises OSError."""
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def put_in_place(temporary: str, path: str, uri: str, *, replace: bool) -> None:
    """Give a flushed file its name. Raises ObjectExists with replace=False, or OSError."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if replace:
            os.replace(temporary, path)
        else:
            try:
                os.link(temporary, path)
            except FileExistsError:
                raise exists(uri) from None
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                _rename_under_lock(temporary, path, uri, folder)
        # The name is on the disk only when its directory is; some file systems cannot do that, and need not.
        with contextlib.suppress(OSError):
            os.fsync(folder)
    finally:
        os.close(folder)


def swap(path: str, uri: str, data: bytes, before: bytes | None, read: Callable[[], bytes | None]) -> None:
    """Put `data` in the place of a file that is still exactly `before`; None stands for no file. `read` reads it.

    Raises ObjectExists if the file is another by then. A writer that is frozen in the middle, for however long, cannot
    put its bytes over newer ones: what follows `before` has one hidden name, which the first writer takes and others
    put in place for it. What a frozen one finds when it goes on is gone.
    """
    folder, name = os.path.split(path)
    old = b"" if before is None else hashlib.sha256(before).digest()
    staged = os.path.join(folder, f"{TEMPORARY_PREFIX}swap-{hashlib.sha256(os.fsencode(name) + old).hexdigest()[:16]}")
    while True:
        _unless_changed(read(), data, before, uri)
        with translated(uri, writing=True):
            descriptor, temporary = open_temporary(folder)
            try:
                with os.fdopen(descriptor, "wb", buffering=0) as target:
                    write_all(target.fileno(), data)
                    os.fsync(target.fileno())
                with contextlib.suppress(FileExistsError):
                    os.link(temporary, staged)
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
        try:
            if _unless_changed(read(), data, before, uri):
                return  # somebody else renamed what we had to say
        except ObjectExists:
            with contextlib.suppress(OSError):
                os.unlink(staged)
            raise
        try:
            put_in_place(staged, path, uri, replace=True)
        except FileNotFoundError:
            pass  # somebody else put theirs over it, and it is in place already
        except OSError as error:
            raise translate(error, uri, writing=True) from error
        if _unless_changed(read(), data, before, uri):
            return


def sweep(folder: str, older_than: float, now: float) -> int:
    """Remove hidden files in a folder that were last written to more than so many seconds before `now`; how many."""
    swept = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(TEMPORARY_PREFIX):
                continue
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if stat_flags.S_ISREG(found.st_mode) and now - found.st_mtime > older_than:
                    os.unlink(entry.path)
                    swept += 1
    return swept


def _unless_changed(found: bytes | None, data: bytes, before: bytes | None, uri: str) -> bool:
    """Whether a file is what we wanted it to be. Raises ObjectExists if it is neither that nor what it was."""
    if found == data:
        return True
    if found != before:
        raise ObjectExists("the object is not what it was any more: another process wrote it", uri=uri)
    return False


def _rename_under_lock(temporary: str, path: str, uri: str, folder: int) -> None:
    # Without hard links (FAT, some network mounts). The kernel lets the lock go with a killed process.
    fcntl.flock(folder, fcntl.LOCK_EX)
    if os.path.lexists(path):
        raise exists(uri)
    os.replace(temporary, path)
