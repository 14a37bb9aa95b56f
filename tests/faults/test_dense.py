"""Runs of dense captions that are killed with SIGKILL and started again: same bytes, at most a shard again."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from blocks.store import Store
from tasks.dense.check import check_captions
from tasks.dense.keys import captions_folder
from tasks.runs.keys import MANIFEST, lock_key
from tests.faults.runs import LOST, PHOTO_SET, Launcher, Run, inferred_again

FOLDER = captions_folder(PHOTO_SET)
KILLS, SEED = 10, 20261128


@pytest.fixture(scope="module")
def undisturbed(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, LocalStore]:
    """One run that nothing disturbs, and its store."""
    store = tmp_path_factory.mktemp("dense-reference")
    run = launcher.start_dense(store)
    assert run.wait() == 0, run.stderr
    assert run.inferred
    return run, LocalStore(store)


def there(store: Store, under: str = "") -> Mapping[str, bytes]:
    """Every object of the photo set, by key."""
    return {info.key: store.read(info.key) for info in store.list(f"{FOLDER}/{under}")}


def check_killed(store: LocalStore) -> None:
    """What a killed run left: no manifest that does not check out."""
    for key in there(store, "runs/"):
        if key.endswith(f"/{MANIFEST}"):
            check_captions(store, key)


def end(launcher: Launcher, killed: Run, store: LocalStore, undisturbed: tuple[Run, LocalStore]) -> int:
    """Start the killed run again and check what it leaves; how many photos it asked about again."""
    check_killed(store)
    last = launcher.start_dense(store.uri)
    assert last.wait() == 0, last.stderr
    reference = undisturbed[1]
    assert there(store, "runs/") == there(reference, "runs/")
    assert store.stat(lock_key(FOLDER)) is None
    assert set(killed.inferred) | set(last.inferred) == set(undisturbed[0].inferred)
    (again,) = inferred_again([killed, last])
    assert again <= LOST, (killed.inferred, last.inferred)
    return again


@pytest.mark.timeout(600)
def test_a_run_that_is_killed_goes_on_and_publishes_the_same_bytes(
    launcher: Launcher, undisturbed: tuple[Run, LocalStore], tmp_path: Path
) -> None:
    killed = launcher.start_dense(tmp_path)
    assert killed.until(lambda: len(killed.inferred) >= 4)
    assert killed.kill()
    assert not there(LocalStore(tmp_path), "runs/")
    assert end(launcher, killed, LocalStore(tmp_path), undisturbed) > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_at_random_moments_change_no_byte(
    launcher: Launcher,
    undisturbed: tuple[Run, LocalStore],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    whole = launcher.start_dense(tmp_path / "whole")
    assert whole.wait() == 0, whole.stderr
    moments, figures = random.Random(SEED), []
    for number in range(KILLS):
        store, at = LocalStore(tmp_path / str(number)), moments.uniform(0.0, whole.seconds)
        Path(store.uri).mkdir()
        run = launcher.start_dense(store.uri)
        run.until(lambda run=run, at=at: run.seconds >= at)  # type: ignore[misc]
        killed = run.kill()
        again = end(launcher, run, store, undisturbed)
        figures.append({"after": round(at, 2), "killed": killed, "done": len(run.inferred), "again": again})
    record_property("kills", json.dumps(figures))
    assert sum(figure["killed"] for figure in figures) >= KILLS // 2, "most of them were over before their kill"
