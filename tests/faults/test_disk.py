"""Disks that are full, fill up or take no writes, as small tmpfs mounts. Knows no store's inside."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from blocks.errors import StoreFull
from blocks.local_store import LocalStore
from tasks.runs.keys import latest_key
from tasks.runs.pointer import current, look, point_to
from tests.builders import make_group, make_outcomes, publish_groups, published_run
from tests.faults.conftest import PHOTOS
from tests.faults.runs import LOST, MISSION, SHARD, Launcher, Run, check_all, half_written, published, sequence

PAGE = 4096
GROUPS = 40_000
BALLAST = "ballast.bin"


class Disk:
    """A tmpfs at `path`. One page is the least that a file takes of it."""

    def __init__(self, path: Path, pages: int) -> None:
        self.path, self.pages = path, pages
        path.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={pages * PAGE}", "tmpfs", str(path)], capture_output=True
        )
        if done.returncode != 0:
            pytest.skip(f"mounting needs root: {done.stderr.decode().strip()}")

    def remount(self, option: str) -> None:
        """Change it, whatever is open on it."""
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.path)], check=True, capture_output=True)

    def fill(self) -> None:
        """Leave no page free."""
        with (self.path / BALLAST).open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(PAGE))
            except OSError:
                return

    def unmount(self) -> None:
        """Take it away, also while somebody still looks into it."""
        subprocess.run(["umount", "--lazy", str(self.path)], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str, int], Disk]]:
    """Mounts disks by name and size in pages."""
    with ExitStack() as stack:

        def mount(name: str, pages: int) -> Disk:
            mounted = Disk(tmp_path / name, pages)
            stack.callback(mounted.unmount)
            return mounted

        yield mount


def failed(run: Run, error: str) -> Run:
    """The run, which ended with this error, told in a line and without a traceback."""
    assert run.wait() == 1, run.stderr
    assert run.complaint.startswith(f"fieldcheck: {error}: "), run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    assert not run.out.read_bytes()
    return run


def check_nothing_is_published(store: Path) -> None:
    """No manifest, no pointer, no lock, and no half of a file, not even a hidden one."""
    assert not check_all(LocalStore(store))
    assert not list(store.rglob("manifest.json"))
    assert not list(store.rglob("latest.json"))
    assert not list(store.rglob("lock.json"))
    assert not half_written(store)


def check_finished(launcher: Launcher, store: Path, failed: Run, reference: Mapping[str, bytes]) -> Run:
    """The same command again publishes what an undisturbed run does, and repeats what one kill costs at most."""
    again = launcher.start(store, stage_b=True)
    assert again.wait() == 0, again.stderr
    assert published(LocalStore(store)) == reference
    assert sequence(LocalStore(store)) == 1
    assert len(set(again.inferred) & set(failed.inferred)) <= LOST
    return again


@pytest.mark.parametrize(
    "pages", [pytest.param(0, marks=pytest.mark.slow, id="from the start"), pytest.param(11, id="while publishing")]
)
def test_a_full_store_is_an_error_until_there_is_room(
    pages: int, launcher: Launcher, reference: Mapping[str, bytes], disk: Callable[[str, int], Disk]
) -> None:
    store = disk("store", max(pages, 1))
    if not pages:
        store.fill()
    run = failed(launcher.start(store.path), "StoreFull")
    assert len(run.inferred) == (PHOTOS if pages else 0)
    check_nothing_is_published(store.path)
    (store.path / BALLAST).unlink(missing_ok=True)
    store.remount("size=4M")
    check_finished(launcher, store.path, run, reference)


@pytest.mark.slow
def test_a_store_that_fills_up_in_mid_run(
    launcher: Launcher, reference: Mapping[str, bytes], disk: Callable[[str, int], Disk]
) -> None:
    store = disk("store", 256)
    run = launcher.start(store.path)
    assert run.until(lambda: any(store.path.rglob("shards/*.jsonl")))
    store.fill()
    failed(run, "StoreFull")
    assert SHARD <= len(run.inferred) < PHOTOS
    (store.path / BALLAST).unlink()
    check_nothing_is_published(store.path)
    check_finished(launcher, store.path, run, reference)


def test_a_disk_that_is_full_when_the_pointer_is_written_leaves_no_half_of_it(
    disk: Callable[[str, int], Disk], tmp_path: Path
) -> None:
    """Whatever is written of the move when room runs out, latest.json is the old one or the new one, byte for byte."""
    for room in range(6):
        store = disk(f"store-{room}", 512)
        kept = LocalStore(store.path)
        first = published_run(kept)
        point_to(kept, first, None)
        group = make_group("QC-9", 1)
        second = publish_groups(kept, [group], make_outcomes([group]))
        before, pointer = current(kept, MISSION), kept.read(latest_key(MISSION))
        store.fill()
        ballast = store.path / BALLAST
        os.truncate(ballast, ballast.stat().st_size - room * PAGE)
        try:
            point_to(kept, second, before)
        except StoreFull:
            assert kept.read(latest_key(MISSION)) == pointer
        else:
            assert room, "there was no room at all"
        assert not half_written(store.path)
        ballast.unlink()
        look_again = current(kept, MISSION)
        assert look_again is not None
        point_to(kept, second, look_again)
        assert sequence(kept) == 2
        assert look(kept, MISSION).fault is None
        check_all(kept)


@pytest.mark.slow
def test_a_full_temporary_folder_loses_no_inference(
    launcher: Launcher, reference: Mapping[str, bytes], disk: Callable[[str, int], Disk], tmp_path: Path
) -> None:
    """One page is room for Python's own try of the folder and not for a run's files on their way to the store."""
    temporary, store = disk("temporary", 1), tmp_path / "store"
    run = launcher.start(store, env={"TMPDIR": str(temporary.path), "SQLITE_TMPDIR": str(temporary.path)})
    failed(run, "StoreFull")
    assert "TMPDIR" in run.complaint
    assert not list(temporary.path.iterdir())
    check_nothing_is_published(store)
    assert not check_finished(launcher, store, run, reference).inferred


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_temporary_folder_that_is_too_small_for_the_notes_of_many_groups(
    launcher: Launcher, disk: Callable[[str, int], Disk], tmp_path: Path
) -> None:
    """The notes of a small run fit into memory; those of so many empty groups go to the disk."""
    photos, temporary, store = disk("photos", 4 * GROUPS), disk("temporary", 64), tmp_path / "store"
    for number in range(GROUPS):
        (photos.path / MISSION / f"QC-{number:06d}").mkdir(parents=True)
    environment = {"TMPDIR": str(temporary.path), "SQLITE_TMPDIR": str(temporary.path)}
    flags = ("--input-root", str(photos.path), "--max-quarantine-fraction", "1")
    run = failed(launcher.start(store, *flags, env=environment, cold=True), "StoreFull")
    assert run.phase == "verifying"
    assert "SQLITE_TMPDIR" in run.complaint
    check_nothing_is_published(store)
    temporary.remount("size=256M")
    assert launcher.start(store, *flags, env=environment, cold=True).wait() == 0
    (checked,) = check_all(LocalStore(store))
    assert checked.records == GROUPS


def test_a_store_that_is_read_only_is_found_out_before_any_inference(
    launcher: Launcher, disk: Callable[[str, int], Disk]
) -> None:
    store = disk("store", 256)
    store.remount("ro")
    run = failed(launcher.start(store.path), "StoreDenied")
    assert str(store.path) in run.complaint
    assert not run.inferred
    assert not list(store.path.iterdir())
