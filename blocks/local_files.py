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


def swap(path: str, uri: str, data: bytes, before: bytes) -> None:
    """Put `data` in the place of a file that is still exactly `before`.

    Raises ObjectExists if the file is another by then. No lock is held, so a writer that is killed or frozen in the
    middle holds nobody up, and cannot put its bytes over newer ones when it goes on:

        token      a hidden file with the bytes of one writer, under a name that no other writer ever has
        decision   a symlink to a token, named by the inode that is to be replaced: who comes first makes it
        renamed    any writer that reads the decision *and then* still finds that inode in place renames the token;
                   a token is renamed once, an inode does not come back, so a late rename finds no token
    """
    folder = os.path.dirname(path)
    token = _write_token(folder, uri, data)
    try:
        while True:
            content, inode = _read_with_inode(path, uri)
            if content != before:
                return _end(token, content == data, uri)
            name = hashlib.sha256(f"{os.path.basename(path)}\n{inode}".encode(errors="surrogateescape")).hexdigest()
            decision = os.path.join(folder, f"{TEMPORARY_PREFIX}swap-{name[:16]}")
            with translated(uri, writing=True), contextlib.suppress(FileExistsError):
                os.symlink(os.path.basename(token), decision)
            try:
                decided = os.path.join(folder, os.path.basename(os.readlink(decision)))
            except FileNotFoundError:
                continue  # somebody else is through with this inode
            if _read_with_inode(path, uri)[1] == inode:
                try:
                    put_in_place(decided, path, uri, replace=True)
                except FileNotFoundError:
                    pass  # renamed by somebody else; or swept, long after its writer was killed
                except OSError as error:
                    raise translate(error, uri, writing=True) from error
            with contextlib.suppress(OSError):
                os.unlink(decision)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(token)


def sweep(folder: str, older_than: float, now: float) -> int:
    """Remove hidden files in a folder that were last written to more than so many seconds before `now`; how many."""
    swept = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(TEMPORARY_PREFIX):
                continue
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                ours = stat_flags.S_ISREG(found.st_mode) or stat_flags.S_ISLNK(found.st_mode)
                if ours and now - found.st_mtime > older_than:
                    os.unlink(entry.path)
                    swept += 1
    return swept


def _write_token(folder: str, uri: str, data: bytes) -> str:
    with translated(uri, writing=True):
        descriptor, token = open_temporary(folder)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as target:
                write_all(target.fileno(), data)
                os.fsync(target.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(token)  # of a full disk nothing half-written stays
            raise
    return token


def _read_with_inode(path: str, uri: str) -> tuple[bytes | None, str]:
    """The bytes of a file and what tells it from any other that has its name before or after; None and "" for none."""
    with translated(uri), contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as source:
            found = os.fstat(descriptor)
            return source.read(), f"{found.st_ino} {found.st_mtime_ns}"
    return None, ""


def _end(token: str, done: bool, uri: str) -> None:
    """The file is not what it was. A token that is gone was renamed: ours is in, even if newer bytes are over it."""
    try:
        os.unlink(token)
    except FileNotFoundError:
        return
    if not done:
        raise ObjectExists("the object is not what it was any more: another process wrote it", uri=uri)


def _rename_under_lock(temporary: str, path: str, uri: str, folder: int) -> None:
    # Without hard links (FAT, some network mounts). The kernel lets the lock go with a killed process.
    fcntl.flock(folder, fcntl.LOCK_EX)
    if os.path.lexists(path):
        raise exists(uri)
    os.replace(temporary, path)
