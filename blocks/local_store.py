"""A store in a local directory: atomic writes, lazy listing, no way out by symlink. Knows only keys and bytes."""

from __future__ import annotations

import contextlib
import io
import os
import stat as stat_flags
from collections.abc import Generator, Iterator
from typing import BinaryIO, TypeAlias, cast

from blocks.errors import ObjectExists, ObjectMissing, StoreDenied
from blocks.local_errors import TranslatingFile, translated
from blocks.local_files import exists, make_folder, open_temporary, put_in_place, swap, sweep, write_all
from blocks.store import ObjectInfo, check_key, check_prefix
from configs.stores import MAX_KEY_BYTES, TEMPORARY_PREFIX

_COPY_BYTES = 1 << 20
_Entries: TypeAlias = Generator[os.DirEntry[str], None, None]


class LocalStore:
    """Objects as files under `root`, which is made by the first write, or with make=False by `check` alone: a root that
    goes away in mid-run, or whose disk is taken off, is an error then and not a new, empty store.

    Two writers never mix: a file is written beside its place under a hidden name, flushed, and renamed. A writer
    that is killed leaves at most such a hidden file, which `list` does not show. Names that are not UTF-8 are listed
    with surrogate escapes and cannot be read. Of symlinks, those that stay inside the root are followed. Whatever else
    lies there and cannot be read (symlinks that lead out, nowhere or in a circle, pipes, sockets, devices) is listed
    with size 0, and reading it says why not: a photo that is left out without a word would be missed by nobody.
    """

    def __init__(self, root: str | os.PathLike[str], *, make: bool = True) -> None:
        self._root = os.path.abspath(os.path.expanduser(root))
        self._make = make

    def __repr__(self) -> str:
        return f"LocalStore({self._root!r})"

    @property
    def uri(self) -> str:
        """The root as an absolute path."""
        return self._root

    def uri_of(self, key: str) -> str:
        """Path of one object. Raises nothing: the key is not checked."""
        return f"{self._root.rstrip('/')}/{key}"

    def check(self, *, write: bool = False) -> None:
        """Raise StoreError when the root cannot be read; with write=True, make it and try to write in it too."""
        if write:
            make_folder(self._root, self._root)
            with translated(self._root, writing=True):
                descriptor, temporary = open_temporary(self._root)
                os.close(descriptor)
                os.unlink(temporary)
        with translated(self._root), os.scandir(self._root) as entries:
            next(entries, None)

    def stat(self, key: str) -> ObjectInfo | None:
        """Size of an object, or None if there is none (a directory is none). Raises StoreDenied, BadKey."""
        path = self._path_to_read(key)
        with translated(self.uri_of(key)):
            try:
                found = os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return ObjectInfo(key, found.st_size, found.st_mtime) if stat_flags.S_ISREG(found.st_mode) else None

    def read(self, key: str) -> bytes:
        """The whole object. Raises ObjectMissing, StoreDenied, BadKey."""
        with self.open(key) as stream:
            return stream.read()

    def open(self, key: str) -> BinaryIO:
        """The object as a seekable binary stream; close it. Raises ObjectMissing, StoreDenied, BadKey."""
        path, uri = self._path_to_read(key), self.uri_of(key)
        with translated(uri):
            # NONBLOCK: a named pipe in the place of a photo must not hang the run.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        mode = os.fstat(descriptor).st_mode
        if not stat_flags.S_ISREG(mode):
            os.close(descriptor)
            if stat_flags.S_ISDIR(mode):
                raise ObjectMissing("there is a directory and no object under that key", uri=uri)
            raise StoreDenied("this is a pipe, socket or device: replace it with a plain file", uri=uri)
        return cast(BinaryIO, io.BufferedReader(TranslatingFile(descriptor, uri), _COPY_BYTES))

    def write(self, key: str, data: bytes, *, replace: bool = True) -> ObjectInfo:
        """Store `data` under `key`, atomically and flushed to the disk.

        With replace=False exactly one of many racing writers wins, the others get ObjectExists.
        Raises StoreFull, StoreDenied, BadKey.
        """
        return self.upload(key, io.BytesIO(data), replace=replace)

    def upload(self, key: str, source: BinaryIO, *, replace: bool = True) -> ObjectInfo:
        """Like write, from a stream of any size, from where it stands; the stream's own errors pass unchanged."""
        folder, name = self._folder_to_write(key)
        uri, path, size = self.uri_of(key), os.path.join(folder, name), 0
        if not replace and os.path.lexists(path):
            raise exists(uri)
        self._prepare(folder, uri)
        with translated(uri, writing=True):
            descriptor, temporary = open_temporary(folder)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as target:
                while chunk := source.read(_COPY_BYTES):
                    size += len(chunk)
                    with translated(uri, writing=True):
                        write_all(target.fileno(), chunk)
                with translated(uri, writing=True):
                    os.fsync(target.fileno())
            with translated(uri, writing=True):
                put_in_place(temporary, path, uri, replace=replace)
        finally:
            # After a rename it is gone already; after a failure it must not stay.
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        return ObjectInfo(key, size)

    def swap(self, key: str, data: bytes, before: bytes | None) -> None:
        """Store `data` if the object is still exactly `before`. Raises ObjectExists if not, and as `write` does."""
        self._path_to_read(key)  # a symlink that leads out of the store is refused
        if before is None:
            self._put_first(key, data)
        else:
            folder, name = self._folder_to_write(key)
            self._prepare(folder, self.uri_of(key))
            swap(os.path.join(folder, name), self.uri_of(key), data, before)

    def sweep(self, prefix: str, older_than: float) -> int:
        """Remove the hidden files of killed writers under `prefix`, and those beside the root's own folders."""
        bare = check_prefix(prefix, self._root)
        start = self._path_to_read(bare) if bare else os.path.realpath(self._root)
        with translated(self._root, writing=True):
            descriptor, temporary = open_temporary(self._root)
            try:
                now = os.fstat(descriptor).st_mtime  # by the clock of the file system, which may be another machine's
            finally:
                os.close(descriptor)
                os.unlink(temporary)
        folders = (folder for folder, _, _ in os.walk(start))
        return sum(sweep(folder, older_than, now) for folder in {self._root, *folders})

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object under `prefix`, lazily and in no promised order; none when there is no such directory.

        What is neither a file nor a directory that can be entered is there too, with size 0; reading it raises
        StoreDenied or ObjectMissing. Raises StoreDenied when a directory cannot be read.
        """
        bare = check_prefix(prefix, self._root)
        folder = self._path_to_read(bare) if bare else os.path.realpath(self._root)
        return self._walk(folder, bare)

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Names of the direct sub-directories under `prefix`, empty ones too; symlinks only if they stay inside."""
        bare = check_prefix(prefix, self._root)
        folder = self._path_to_read(bare) if bare else os.path.realpath(self._root)
        return (entry.name for entry in self._scan(folder) if self._is_folder(entry))

    def delete(self, key: str) -> None:
        """Remove an object (of a symlink, the link); no error if it is not there. Directories stay."""
        folder, name = self._folder_to_write(key)
        with translated(self.uri_of(key)):
            path = os.path.join(folder, name)
            try:
                if not stat_flags.S_ISDIR(os.lstat(path).st_mode):
                    os.unlink(path)
            except (FileNotFoundError, NotADirectoryError):
                return

    def _put_first(self, key: str, data: bytes) -> None:
        try:
            self.write(key, data, replace=False)
        except ObjectExists:
            with contextlib.suppress(ObjectMissing):
                if self.read(key) == data:
                    return  # what we wanted is there: a lost answer is no lost race
            raise

    def _prepare(self, folder: str, uri: str) -> None:
        if not self._make and not os.path.isdir(self._root):
            message = "the store's directory is gone: bring it back, or mount its disk, and run again"
            raise ObjectMissing(message, uri=self._root)
        make_folder(folder, uri)

    def _path_to_read(self, key: str) -> str:
        uri = self.uri_of(check_key(key, self._root))
        with translated(uri):
            path = os.path.realpath(os.path.join(self._root, key))
        self._refuse_outside(path, uri)
        return path

    def _folder_to_write(self, key: str) -> tuple[str, str]:
        uri = self.uri_of(check_key(key, self._root))
        parent, name = os.path.split(os.path.join(self._root, key))
        with translated(uri):
            folder = os.path.realpath(parent)
        self._refuse_outside(folder, uri)
        return folder, name

    def _refuse_outside(self, path: str, uri: str) -> None:
        if not self._is_inside(path):
            raise StoreDenied("a symlink leads out of the store: put the file itself there", uri=uri)

    def _is_inside(self, path: str) -> bool:
        root = os.path.realpath(self._root)
        return path == root or path.startswith(root.rstrip("/") + "/")

    def _scan(self, folder: str) -> _Entries:
        with translated(folder):
            try:
                with os.scandir(folder) as entries:
                    yield from entries
            except (FileNotFoundError, NotADirectoryError):
                return

    def _look(self, entry: os.DirEntry[str]) -> os.stat_result | None:
        """What an entry is, through a symlink if that stays inside; of any other symlink, what the link itself is.

        None when the entry is gone.
        """
        with translated(entry.path):
            if entry.is_symlink() and self._is_inside(os.path.realpath(entry.path)):
                # The target is anybody's choice: no errno that it can make may end the listing of all the others.
                with contextlib.suppress(OSError):
                    return os.stat(entry.path)
            try:
                return entry.stat(follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        # Most entries say what they are without another system call; only symlinks cost a look.
        with translated(entry.path):
            if not entry.is_symlink():
                return entry.is_dir(follow_symlinks=False)
        found = self._look(entry)
        return found is not None and stat_flags.S_ISDIR(found.st_mode)

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectInfo]:
        # One open directory a level, so memory goes with the depth alone. Below a symlinked directory no further one
        # is followed: that ends every circle, and links that cross each other cannot multiply the tree.
        stack = [(self._scan(folder), prefix, False)]
        try:
            while stack:
                entries, above, linked = stack[-1]
                entry = next(entries, None)
                if entry is None:
                    stack.pop()
                    continue
                found = self._look(entry)
                if found is None or entry.name.startswith(TEMPORARY_PREFIX):
                    continue
                key = f"{above}/{entry.name}" if above else entry.name
                symlink = entry.is_symlink()
                if stat_flags.S_ISDIR(found.st_mode) and not (symlink and linked):
                    if len(os.fsencode(key)) <= MAX_KEY_BYTES:
                        stack.append((self._scan(entry.path), key, linked or symlink))
                else:
                    yield ObjectInfo(key, found.st_size if stat_flags.S_ISREG(found.st_mode) else 0, found.st_mtime)
        finally:
            for entries, _, _ in stack:
                entries.close()
