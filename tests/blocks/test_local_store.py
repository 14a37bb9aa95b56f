"""What only a store in a directory must do: killed writers, full and read-only disks, odd names."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.errors import BadKey, ObjectExists, ObjectMissing, StoreDenied, StoreFull, StoreUnavailable
from blocks.local_store import LocalStore
from blocks.store import ObjectInfo
from configs.stores import key_fault

REPOSITORY = Path(__file__).parents[2]
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=40)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert LocalStore("a/../b/").uri == str(tmp_path / "b")
    assert LocalStore("~/x").uri == str(tmp_path / "home/x")
    assert LocalStore("/").uri_of("a") == "/a"


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NAMES, min_size=1, max_size=4), st.binary(max_size=50))
def test_any_key_is_kept_or_refused(tmp_path: Path, parts: list[str], data: bytes) -> None:
    store, key = LocalStore(tmp_path / "any"), "/".join(parts)
    if key_fault(key):
        with pytest.raises(BadKey):
            store.write(key, data)
        return
    try:
        store.write(key, data)
    except StoreDenied:
        return  # an earlier example put a file where this one needs a directory, or the other way round
    assert store.read(key) == data
    assert key in {info.key for info in store.list()}
    store.delete(key)
    assert store.stat(key) is None
    assert {path.name for path in tmp_path.iterdir()} == {"any"}


def test_files_have_the_usual_mode(local: LocalStore, root: Path) -> None:
    mask = os.umask(0o027)
    try:
        local.write("a", b"x")
    finally:
        os.umask(mask)
    assert (root / "a").stat().st_mode & 0o777 == 0o640


def test_no_temporary_file_stays(local: LocalStore, root: Path) -> None:
    local.write("a", b"x", replace=False)
    with pytest.raises(ObjectExists):
        local.write("a", b"y", replace=False)
    local.write("a", b"z")
    assert os.listdir(root) == ["a"]


def test_killed_writer_leaves_nothing_visible(local: LocalStore, root: Path) -> None:
    local.write("kept/a", b"old")
    program = (
        "import sys, time\n"
        "from blocks.local_store import LocalStore\n"
        "class Slow:\n"
        "    sent = 0\n"
        "    def read(self, size):\n"
        "        if self.sent == 3:\n"
        "            sys.stdout.write('x'); sys.stdout.flush(); time.sleep(60)\n"
        "        self.sent += 1\n"
        "        return bytes(size)\n"
        "LocalStore(sys.argv[1]).upload('kept/a', Slow())\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(root)], stdout=subprocess.PIPE, cwd=REPOSITORY)
    assert child.stdout is not None
    with child.stdout as output:
        assert output.read(1) == b"x"
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    names = os.listdir(root / "kept")
    assert len(names) == 2
    assert any(name.startswith(".fieldcheck-tmp-") for name in names)
    assert [info.key for info in local.list()] == ["kept/a"]
    assert local.read("kept/a") == b"old"


def test_full_disk(tiny_disk: Path) -> None:
    store = LocalStore(tiny_disk / "root")
    store.write("small", b"x")
    with pytest.raises(StoreFull, match="ENOSPC") as caught:
        store.write("big", bytes(2 << 20))
    assert not caught.value.retryable
    assert [info.key for info in store.list()] == ["small"]
    assert os.listdir(store.uri) == ["small"]
    store.write("after", b"there is room again")


def test_read_only_disk(tiny_disk: Path) -> None:
    store = LocalStore(tiny_disk / "root")
    store.write("a", b"x")
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    store.check()
    assert store.read("a") == b"x"
    for use in (lambda: store.check(write=True), lambda: store.write("a", b"y"), lambda: store.delete("a")):
        with pytest.raises(StoreDenied, match="EROFS"):
            use()


def test_no_directory_can_be_made() -> None:
    store = LocalStore("/proc/no-such-place")
    with pytest.raises(StoreDenied):
        store.check(write=True)
    with pytest.raises(StoreDenied):
        store.write("a", b"x")


def test_a_file_where_a_directory_must_be(local: LocalStore, root: Path) -> None:
    local.write("a", b"file")
    local.write("folder/b", b"x")
    for key in ("a/b", "a/b/c", "folder"):
        with pytest.raises(StoreDenied, match="a file is where a directory must be"):
            local.write(key, b"x")
    with pytest.raises(ObjectExists):
        local.write("folder", b"x", replace=False)
    assert local.stat("a/b") is None
    assert local.stat("folder") is None
    for key in ("a/b", "folder"):
        with pytest.raises(ObjectMissing):
            local.read(key)
    local.delete("folder")
    local.delete("a/b")
    assert sorted(info.key for info in local.list()) == ["a", "folder/b"]
    with pytest.raises(ObjectMissing):
        LocalStore(root / "a").check()


def test_a_pipe_does_not_hang(local: LocalStore, root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    with pytest.raises(StoreDenied, match="plain file"):
        local.read("pipe.jpg")
    assert local.stat("pipe.jpg") is None
    assert list(local.list()) == [ObjectInfo("pipe.jpg", 0)]


def test_a_socket_or_a_device_is_listed_and_refused(
    local: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)  # the path of a socket may have 108 bytes only
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.jpg")
    names = ["socket.jpg"]
    if os.geteuid() == 0:
        os.mknod("zero.jpg", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        names.append("zero.jpg")
    assert sorted(info.key for info in local.list()) == names
    assert {info.size for info in local.list()} == {0}
    for name in names:
        with pytest.raises(StoreDenied):
            local.read(name)


def test_names_that_are_not_utf8(local: LocalStore, root: Path) -> None:
    (Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe.jpg"))).write_bytes(b"x")
    os.mkdir(os.fsencode(root) + b"/\xe5\xae")
    (root / "好.jpg").write_bytes(b"x")
    keys = sorted(info.key for info in local.list())
    assert keys == sorted(["好.jpg", "\udcff\udcfe.jpg"])
    assert list(local.folders()) == ["\udce5\udcae"]
    with pytest.raises(BadKey) as caught:
        local.read("\udcff\udcfe.jpg")
    str(caught.value).encode()  # a log can hold the message


def test_empty_folders_count(local: LocalStore, root: Path) -> None:
    (root / "挡风板/QC-1").mkdir(parents=True)
    assert list(local.folders("挡风板")) == ["QC-1"]
    assert list(local.list()) == []


def test_a_deep_tree(local: LocalStore, root: Path) -> None:
    here = os.getcwd()
    os.chdir(root)
    try:
        for _ in range(700):
            os.mkdir("d")
            os.chdir("d")
        Path("deep.txt").write_text("x")
    finally:
        os.chdir(here)
    local.write("a", b"x")
    assert [info.key for info in local.list()] == ["a"]  # no such key can be read


def test_listing_is_lazy_and_flat(local: LocalStore, root: Path) -> None:
    for folder in range(40):
        (root / str(folder)).mkdir()
        for number in range(50):
            (root / str(folder) / f"{number}.jpg").touch()
    tracemalloc.start()
    try:
        assert sum(1 for _ in local.list()) == 2000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000
    listing = local.list()
    next(listing)
    open_before = len(os.listdir("/proc/self/fd"))
    listing.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) < open_before


def test_no_descriptor_leaks(local: LocalStore, root: Path) -> None:
    os.mkfifo(root / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    local.write("a", b"x")
    local.read("a")
    for use in (lambda: local.read("pipe"), lambda: local.write("a/b", b""), lambda: local.read("none")):
        with pytest.raises((StoreDenied, ObjectMissing)):
            use()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_source_s_own_error_passes(local: LocalStore, root: Path) -> None:
    class Gone(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, "the photo's disk, not the store's")

    with pytest.raises(OSError, match="the photo's disk"):
        local.upload("a", Gone(b"x"))
    assert os.listdir(root) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links(local: LocalStore, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    local.write("a", b"first", replace=False)
    with pytest.raises(ObjectExists):
        local.write("a", b"second", replace=False)
    monkeypatch.setattr(os.path, "lexists", _false_once(os.path.lexists))
    with pytest.raises(ObjectExists):
        local.write("a", b"third", replace=False)
    assert local.read("a") == b"first"
    assert os.listdir(local.uri) == ["a"]


def _false_once(real: Callable[[str], bool]) -> Callable[[str], bool]:
    answers = iter([False])
    return lambda path: next(answers, None) is not False and real(path)


def test_a_sweep_removes_what_nobody_has_written_to_for_long(local: LocalStore, root: Path) -> None:
    old = [root / ".fieldcheck-tmp-1", root / "a" / ".fieldcheck-tmp-2", root / "a" / "b" / ".fieldcheck-tmp-3"]
    fresh, whole, other = root / "a" / ".fieldcheck-tmp-4", root / "a" / "x.txt", root / "c" / ".fieldcheck-tmp-5"
    outside = root.parent / "outside"
    for path in (*old, fresh, whole, other, outside / ".fieldcheck-tmp-6"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        if path != fresh:
            os.utime(path, (0, 0))
    (root / "a" / "link").symlink_to(outside)
    (root / "a" / ".fieldcheck-tmp-link").symlink_to(whole)
    assert local.sweep("a", 3600.0) == 3
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in (fresh, whole, other, outside / ".fieldcheck-tmp-6"))
    assert (root / "a" / ".fieldcheck-tmp-link").is_symlink()
    assert local.sweep("nowhere", 3600.0) == 0


def test_a_writer_whose_file_was_swept_is_told_and_leaves_nothing(
    local: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen for longer than any write takes."""
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        fsync(descriptor)
        for path in root.glob(".fieldcheck-tmp-*"):
            os.utime(path, (0, 0))
        local.sweep("", 3600.0)

    monkeypatch.setattr(os, "fsync", slow)
    with pytest.raises(StoreUnavailable):
        local.write("x", b"x")
    assert not list(root.iterdir())


def test_a_root_that_goes_away_is_an_error_and_not_a_new_store(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "root", make=False)
    with pytest.raises(ObjectMissing, match="the store's directory is gone"):
        store.write("a/b", b"x")
    store.check(write=True)
    store.write("a/b", b"x")
    shutil.rmtree(tmp_path / "root")
    for write in (lambda: store.write("a/b", b"x"), lambda: store.swap("a/b", b"x", None)):
        with pytest.raises(ObjectMissing, match="the store's directory is gone"):
            write()
    assert not (tmp_path / "root").exists()
