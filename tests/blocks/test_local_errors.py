"""The operating system's errors as store errors, and reads that fail half way."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.errors import BadKey, ObjectMissing, StoreDenied, StoreError, StoreFull, StoreUnavailable
from blocks.local_errors import TranslatingFile, translate, translated

READING: list[tuple[int, type[StoreError]]] = [
    (errno.ENOSPC, StoreFull),
    (errno.EDQUOT, StoreFull),
    (errno.EFBIG, StoreFull),
    (errno.EACCES, StoreDenied),
    (errno.EPERM, StoreDenied),
    (errno.EROFS, StoreDenied),
    (errno.ELOOP, StoreDenied),
    (errno.ENOENT, ObjectMissing),
    (errno.ENOTDIR, ObjectMissing),
    (errno.ENAMETOOLONG, BadKey),
    (errno.EIO, StoreUnavailable),
    (errno.ESTALE, StoreUnavailable),
    (errno.ETIMEDOUT, StoreUnavailable),
    (errno.EMFILE, StoreUnavailable),
    (errno.EISDIR, StoreDenied),
    (errno.EINVAL, StoreDenied),
]
WRITING: list[tuple[int, type[StoreError]]] = [
    (errno.ENOTDIR, StoreDenied),
    (errno.EEXIST, StoreDenied),
    (errno.EISDIR, StoreDenied),
    (errno.ENOENT, StoreUnavailable),
    (errno.ENOSPC, StoreFull),
]


@pytest.mark.parametrize(("number", "leaf"), READING, ids=lambda value: errno.errorcode.get(value, ""))
def test_reading(number: int, leaf: type[StoreError]) -> None:
    found = translate(OSError(number, "misleading text: no space left"), "/data/a.jpg")
    assert type(found) is leaf
    assert found.uri == "/data/a.jpg"
    assert "[/data/a.jpg]" in str(found)
    assert "misleading" not in str(found)


@pytest.mark.parametrize(("number", "leaf"), WRITING, ids=lambda value: errno.errorcode.get(value, ""))
def test_writing(number: int, leaf: type[StoreError]) -> None:
    assert type(translate(OSError(number, "text"), "/data/a.jpg", writing=True)) is leaf


def test_an_error_without_a_number() -> None:
    assert type(translate(OSError("only text"), "/data")) is StoreDenied


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), translated("/data"):
        raise KeyError


def test_the_cause_is_kept() -> None:
    with pytest.raises(StoreFull) as caught, translated("/data"):
        raise OSError(errno.ENOSPC, "text")
    assert isinstance(caught.value.__cause__, OSError)


def test_a_read_that_fails_half_way() -> None:
    # Address 0 of our own memory is a real EIO.
    with TranslatingFile(os.open("/proc/self/mem", os.O_RDONLY), "/data/a.jpg") as raw:
        reads: list[Callable[[], object]] = [
            lambda: raw.read(10),
            lambda: raw.read(),
            lambda: raw.readall(),
            lambda: io.BufferedReader(raw).read(10),
        ]
        for read in reads:
            with pytest.raises(StoreUnavailable) as caught:
                read()
            assert caught.value.uri == "/data/a.jpg"


def test_a_good_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    with io.BufferedReader(TranslatingFile(os.open(tmp_path / "a", os.O_RDONLY), "/data/a")) as stream:
        assert stream.read(3) == b"012"
        stream.seek(8)
        assert stream.read() == b"89"
