"""A run that is killed with SIGKILL and started again, at random and at chosen moments. Knows no shard's inside."""

from __future__ import annotations

import json
import random
import shutil
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from tests.faults import child
from tests.faults.conftest import PHOTOS
from tests.faults.runs import (
    LOST,
    MISSION,
    REPOSITORY,
    SHARD,
    Launcher,
    Run,
    check_all,
    half_written,
    inferred_again,
    published,
    sequence,
)

SEQUENCES, SEED = 25, 20260305
FIGURES = REPOSITORY / ".bench" / "faults-kill.json"

POINTS = {
    "while verifying": (r"open:faults-photos.*jpg$:5", "verifying"),
    "between the claim of the mission and its first heartbeat": (r"rename:/lock\.json$:1", "verifying"),
    "with a shard half written": (r"rename:/shards/:2", "inferring"),
    "between a shard and its index": (r"rename:/index/:2", "inferring"),
    "between the files of the run": (r"rename:/runs/.*/provenance\.jsonl$:1", "publishing"),
    "before the manifest": (r"rename:stage_a/.*/manifest\.json$:1", "publishing"),
    "before the pointer": (r"rename:/latest\.json$:1", "publishing"),
    "before the manifest of the tickets": (r"rename:stage_b/.*/manifest\.json$:1", "handing off"),
}
"""Where a child kills itself, and the phase that it must have been in."""


def killed_at(launcher: Launcher, store: LocalStore, point: str) -> Run:
    """A run that ends at a point of `POINTS`."""
    when, phase = POINTS[point]
    run = launcher.start(store.uri, env={child.KILL: when}, stage_b=True)
    run.wait()
    assert (run.code, run.phase) == (-9, phase), run.stderr
    return run


def copied(store: LocalStore, to: Path) -> LocalStore:
    """The same store in another place."""
    shutil.copytree(store.uri, to)
    return LocalStore(to)


def keys(store: LocalStore) -> set[str]:
    """Every key that a listing of the store shows."""
    return {info.key for info in store.list()}


def check_finished(runs: list[Run], store: LocalStore, reference: LocalStore) -> list[int]:
    """Check that the last run is done and left what an undisturbed one leaves; photos inferred again, one number for
    each run after the first."""
    assert runs[-1].wait() == 0, runs[-1].stderr
    assert published(store) == published(reference)
    assert sorted(checked.stage for checked in check_all(store)) == ["stage_a", "stage_b"]
    assert keys(store) == keys(reference)
    assert sequence(store) == 1
    again = list(inferred_again(runs))
    assert all(photos <= LOST for photos in again), again
    assert sum(len(set(run.inferred)) for run in runs) == PHOTOS + sum(again)
    return again


def test_three_kills_in_a_row_change_no_byte(
    launcher: Launcher, undisturbed: tuple[Run, LocalStore], tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)
    first = launcher.start(tmp_path, stage_b=True)
    assert first.until(lambda: len(first.inferred) >= SHARD + 1)
    assert first.kill()
    assert first.phase == "inferring"
    assert not check_all(store)

    second = killed_at(launcher, store, "between a shard and its index")
    assert len(list(tmp_path.glob("stage_a/*/shards/*.jsonl"))) > len(list(tmp_path.glob("stage_a/*/index/*/*.json")))
    third = killed_at(launcher, store, "between the files of the run")
    assert [Path(key).name for key in published(store)] == [f"{MISSION}_stage_a.jsonl"]
    assert not check_all(store)

    last = launcher.start(tmp_path, stage_b=True)
    again = check_finished([first, second, third, last], store, undisturbed[1])
    assert not last.inferred
    assert again[0] >= 1, "the first kill was in the middle of a shard"
    assert again[1] >= SHARD, "the second one lost a whole shard to its missing index"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_every_kind_of_moment_changes_no_byte(
    point: str, launcher: Launcher, undisturbed: tuple[Run, LocalStore], tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)
    killed = killed_at(launcher, store, point)
    check_all(store)
    check_finished([killed, launcher.start(tmp_path, stage_b=True)], store, undisturbed[1])


def test_a_forced_run_that_was_killed_goes_on_and_the_next_one_begins_anew(
    launcher: Launcher, undisturbed: tuple[Run, LocalStore], tmp_path: Path
) -> None:
    store = copied(undisturbed[1], tmp_path / "store")
    killed = launcher.start(store.uri, "--force", stage_b=True)
    assert killed.until(lambda: len(killed.inferred) >= SHARD + 1)
    assert killed.kill()
    last = launcher.start(store.uri, "--force", stage_b=True)
    assert last.wait() == 0, last.stderr
    assert 0 < len(set(killed.inferred) & set(last.inferred)) <= LOST
    assert set(killed.inferred) | set(last.inferred) == set(undisturbed[0].inferred)
    assert len(set(last.inferred)) < PHOTOS
    assert published(store) == published(undisturbed[1])
    anew = launcher.start(store.uri, "--force", stage_b=True)
    assert anew.wait() == 0, anew.stderr
    assert len(set(anew.inferred)) == PHOTOS
    assert published(store) == published(undisturbed[1])


@pytest.mark.slow
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("what", ["whole run", "work", "forced"])
def test_kills_at_random_moments_change_no_byte(
    what: str,
    launcher: Launcher,
    undisturbed: tuple[Run, LocalStore],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Each is one kill: anywhere between the start of Python and the end, or between the first result and the end,
    where it costs something; and so of a run with `--force` over a store that knows every photo."""
    anywhere, flags = what == "whole run", ("--force",) if what == "forced" else ()
    before, reference = tmp_path / "before", undisturbed[1]
    if flags:
        copied(reference, before)
        reference = copied(reference, tmp_path / "whole")
    whole = launcher.start(tmp_path / "whole", *flags, cold=anywhere, stage_b=True)
    assert anywhere or whole.until(lambda: bool(whole.inferred)), whole.stderr
    loading = 0.0 if anywhere else whole.seconds
    assert whole.wait() == 0, whole.stderr
    assert published(LocalStore(tmp_path / "whole")) == published(undisturbed[1])
    moments = random.Random(SEED)
    figures: list[dict[str, Any]] = []
    for number in range(SEQUENCES):
        store, after = LocalStore(tmp_path / str(number)), moments.uniform(0.0, whole.seconds - loading)
        if flags:
            copied(LocalStore(before), tmp_path / str(number))
        figures.append(one_kill(launcher, store, after, reference, flags, anywhere=anywhere))
        write_figures(what, whole.seconds - loading, figures)
    for name, value in summed_up(figures).items():
        record_property(name, value)
    assert sum(figure["killed"] for figure in figures) >= SEQUENCES // 2, "most of them were over before their kill"


def one_kill(
    launcher: Launcher, store: LocalStore, after: float, reference: LocalStore, flags: Sequence[str], *, anywhere: bool
) -> dict[str, Any]:
    """A run that is killed `after` seconds, from its start or from its first result on, and one that ends it; what can
    be said of them."""
    first = launcher.start(store.uri, *flags, cold=anywhere, stage_b=True)
    assert anywhere or first.until(lambda: bool(first.inferred)), first.stderr
    at = after + (0.0 if anywhere else first.seconds)
    first.until(lambda: first.seconds >= at)
    killed = first.kill()
    figure: dict[str, Any] = {"killed_after": round(after, 2), "killed": killed, "phase": first.phase}
    if Path(store.uri).exists():
        check_all(store)
        figure["half_written"] = len(half_written(Path(store.uri)))
    # A forced run that was over, but for the end of its process, is one that the same command begins anew.
    is_over = bool(flags and first.inferred) and not any(
        key.startswith(f"stage_a/{MISSION}/forced/") for key in keys(store)
    )
    last = launcher.start(store.uri, *flags, cold=anywhere, stage_b=True)
    if is_over:
        assert last.wait() == 0, last.stderr
        assert published(store) == published(reference)
        (again,) = inferred_again([first, last])
        assert (first.phase, again) == ("handing off", PHOTOS)
        return {**figure, "inferred_before": len(set(first.inferred)), "inferred_again": 0, "begun_anew": True}
    (again,) = check_finished([first, last], store, reference)
    return {
        **figure,
        "inferred_before": len(set(first.inferred)),
        "inferred_again": again,
        "seconds_to_finish": round(last.seconds, 2),
    }


def summed_up(figures: list[dict[str, Any]]) -> Mapping[str, Any]:
    """The figures of all sequences in a few."""
    again = [figure["inferred_again"] for figure in figures]
    return {
        "sequences": len(figures),
        "killed": sum(figure["killed"] for figure in figures),
        "phases": dict(Counter(figure["phase"] for figure in figures)),
        "photos": PHOTOS,
        "shard": SHARD,
        "inferred_again_at_most": max(again),
        "inferred_again_on_average": statistics.mean(again),
    }


def write_figures(what: str, duration: float, figures: list[dict[str, Any]]) -> None:
    """Keep what is known so far where a person looks for it."""
    FIGURES.parent.mkdir(exist_ok=True)
    told = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    told[what] = {"undisturbed_seconds": round(duration, 2), **summed_up(figures), "runs": figures}
    FIGURES.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
