"""Runs that are frozen in the middle, and stores that go away under a run. Knows no store's inside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from tasks.runs.keys import latest_key
from tests.faults import child
from tests.faults.conftest import PHOTOS
from tests.faults.runs import MISSION, SHARD, Launcher, Run, check_all, half_written, published, sequence
from tests.servers import S3Server

NEWER = ("--partial-groups", "publish")
"""What makes another run of the same photos, with nothing to infer."""


def is_frozen(run: Run) -> bool:
    """Whether the child has stopped."""
    stat = Path(f"/proc/{run.process.pid}/stat").read_text(encoding="utf-8", errors="replace")
    return stat.rpartition(")")[2].split()[0] == "T"


@pytest.mark.slow
def test_a_run_that_is_frozen_right_before_the_pointer_does_not_move_it_back(
    launcher: Launcher, tmp_path: Path
) -> None:
    store, lease = LocalStore(tmp_path), ("--publishing.lease-seconds", "4")
    first = launcher.start(tmp_path, *lease, env={child.STOP: r"rename:/latest\.json$:1"})
    assert first.until(lambda: is_frozen(first)), first.stderr
    assert store.stat(latest_key(MISSION)) is None
    second = launcher.start(tmp_path, *lease, *NEWER)
    assert second.wait() == 0, second.stderr
    newer = store.read(latest_key(MISSION))
    assert second.summary["manifest"].endswith(json.loads(newer)["manifest"])
    assert not second.inferred

    assert first.process.pid is not None
    os.kill(first.process.pid, signal.SIGCONT)
    assert first.wait() == 1, first.stderr
    assert first.complaint.startswith("fieldcheck: Superseded: "), first.stderr
    assert "Traceback" not in first.stderr
    assert store.read(latest_key(MISSION)) == newer
    assert sequence(store) == 2
    assert len(check_all(store)) == 2
    assert not half_written(tmp_path)


def gone(run: Run, what: str) -> None:
    """The run ends with one line, long before its photos are read, and brings nothing back."""
    assert run.wait() == 1, run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    assert what in run.complaint, run.complaint
    assert len(set(run.inferred)) < PHOTOS, "it was noticed when all was inferred"


def after_a_shard(run: Run, store: Path) -> None:
    """Wait for the first shard."""
    assert run.until(lambda: any(store.rglob("index/*/*.json"))), run.stderr


def test_a_store_that_is_removed_in_mid_run_is_noticed_at_once(launcher: Launcher, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run = launcher.start(store, "--shard-photos", "2")
    after_a_shard(run, store)
    store.rename(tmp_path / "gone")
    gone(run, str(store))
    assert not store.exists()


@pytest.mark.slow
def test_a_store_that_is_emptied_in_mid_run_is_noticed_at_once(launcher: Launcher, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run = launcher.start(store, "--shard-photos", "2")
    after_a_shard(run, store)
    (store / "stage_a").rename(tmp_path / "gone")
    gone(run, "was the store emptied, unmounted or restored?")
    assert not list(store.rglob("manifest.json"))


@pytest.mark.slow
def test_photos_that_go_away_all_at_once_are_not_quarantined_one_by_one(launcher: Launcher, tmp_path: Path) -> None:
    photos, store = tmp_path / "photos", tmp_path / "store"
    shutil.copytree(launcher.photos, photos)
    flags = ("--input-root", str(photos), "--shard-photos", "2", "--max-quarantine-fraction", "1")
    run = launcher.start(store, *flags)
    after_a_shard(run, store)
    photos.rename(tmp_path / "gone")
    gone(run, str(photos))
    assert run.complaint.startswith("fieldcheck: InputGone: ")
    assert not list(store.rglob("manifest.json"))
    (tmp_path / "gone").rename(photos)
    again = launcher.start(store, *flags)
    assert again.wait() == 0, again.stderr
    assert len(set(again.inferred)) < PHOTOS == len({*again.inferred, *run.inferred})


@contextmanager
def mounted(folder: Path) -> Iterator[Callable[[], None]]:
    """A small disk on a folder, and what takes it off."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M", "tmpfs", str(folder)], capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"mounting needs root: {done.stderr.decode().strip()}")
    off = ["umount", "--lazy", str(folder)]
    yield lambda: subprocess.run(off, check=True, capture_output=True) and None
    subprocess.run(off, check=False, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("below", [True, False], ids=["in a folder of the disk", "the disk itself"])
def test_a_store_whose_disk_is_taken_off_in_mid_run_is_noticed_at_once(
    launcher: Launcher, tmp_path: Path, below: bool
) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    with mounted(place) as take_off:
        store = place / "store" if below else place
        run = launcher.start(store, "--shard-photos", "2")
        after_a_shard(run, store)
        take_off()
        gone(run, str(store))
    assert not list(place.rglob("manifest.json"))


@pytest.mark.slow
def test_a_bucket_that_is_deleted_in_mid_run_is_noticed_at_once(launcher: Launcher, moto_server: S3Server) -> None:
    client, bucket = moto_server.client(), moto_server.new_bucket()
    flags = ("--endpoint-url", moto_server.endpoint, "--region", "us-east-1", "--shard-photos", "2")
    run = launcher.start(f"s3://{bucket}/out", *flags, env=moto_server.env)

    def keys() -> list[str]:
        return [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", [])]

    assert run.until(lambda: any("/index/" in key for key in keys())), run.stderr
    for _ in range(50):
        for key in keys():
            client.delete_object(Bucket=bucket, Key=key)
        try:
            client.delete_bucket(Bucket=bucket)
            break
        except client.exceptions.ClientError:
            time.sleep(0.01)  # something was written in between
    gone(run, bucket)


def test_what_killed_writers_left_is_swept_by_a_later_run(
    launcher: Launcher, reference: Mapping[str, bytes], undisturbed: tuple[Run, LocalStore], tmp_path: Path
) -> None:
    shutil.copytree(undisturbed[1].uri, tmp_path / "store")
    store = tmp_path / "store"
    left = [
        folder / f".fieldcheck-tmp-{number}"
        for number, folder in enumerate([store, store / "stage_a" / MISSION / "shards", store / "stage_b" / MISSION])
    ]
    fresh = store / "stage_a" / MISSION / ".fieldcheck-tmp-fresh"
    for path in (*left, fresh):
        path.write_bytes(b"half")
    for path in left:
        os.utime(path, (time.time() - 2 * 86_400,) * 2)
    run = launcher.start(store)
    assert run.wait() == 0, run.stderr
    assert half_written(store) == [fresh]
    assert "removed 3 unfinished files" in run.stderr
    assert published(LocalStore(store)) == reference
    assert len(set(run.inferred)) == 0 < SHARD
