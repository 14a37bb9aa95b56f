"""Runs that judge, killed with SIGKILL and started again: same bytes, and only what was in flight asked again."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from flows.commands.checks import check_any
from tasks.runs.keys import MANIFEST, lock_key, stage_b_folder
from tests.faults import child
from tests.faults.runs import LOST, MISSION, Launcher, Run, inferred_again
from tests.judging import drawn_groups, lasting, publish_drawn

FOLDER = stage_b_folder(MISSION)
GROUPS, KILLS, SEED = 3, 10, 20261128
_PHASES = (
    ("starting", "Beginning flow run"),
    ("tickets", "different candidates:"),
    ("candidates", "tickets have their candidates"),
    ("scores", "different opinions:"),
    ("critic", "select-verdicts.* Finished"),
    ("publishing", "publish-judgement.* Finished"),
)
"""Phases of a run in order, and what stands on stderr when one is over."""

POINTS = {
    "with a shard of scores half written": (r"rename:/shards/:5", "scores"),
    "between a shard of scores and its index": (r"rename:/index/:5", "scores"),
    "with the critic's shard half written": (r"rename:/shards/:{last}", "critic"),
    "between the critic's shard and its index": (r"rename:/index/:{last}", "critic"),
    "before the selections": (r"rename:/runs/.*/selections\.jsonl$:1", "publishing"),
    "before the judgement's manifest": (r"rename:stage_b/.*/manifest\.json$:2", "publishing"),
}
"""Where a child kills itself, and the phase that it must have been in. `last` is the number of the run's shards."""


def begin(launcher: Launcher, store: LocalStore, env: Mapping[str, str] | None = None) -> Run:
    """A run that judges the drawn groups; they are published first."""
    Path(store.uri).mkdir(exist_ok=True)
    return launcher.start_judge(publish_drawn(store, drawn_groups(GROUPS)).uri, env=env)


@pytest.fixture(scope="module")
def undisturbed(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, LocalStore]:
    """One run that nothing disturbs, and its store."""
    store = LocalStore(tmp_path_factory.mktemp("judging-reference"))
    run = begin(launcher, store)
    assert run.wait() == 0, run.stderr
    assert (run.summary["candidates"], len(set(run.inferred))) == (3 * GROUPS, len(run.inferred))
    assert all(re.search(f"[1-9][0-9]* different {kind}", run.stderr) for kind in ("scores", "opinions"))
    return run, store


def phase(run: Run) -> str:
    """How far the run is, by what it has said."""
    return next((name for name, over in _PHASES if not re.search(over, run.stderr)), "done")


def end(launcher: Launcher, killed: Run, store: LocalStore, undisturbed: tuple[Run, LocalStore]) -> int:
    """Check what the killed run left, start it again and check that too; how many questions were asked again."""
    for key in lasting(store):
        if key.endswith(f"/{MANIFEST}"):
            check_any(store, key, None)
    last = begin(launcher, store)
    assert last.wait() == 0, last.stderr
    assert lasting(store) == lasting(undisturbed[1])
    assert store.stat(lock_key(FOLDER)) is None
    assert set(killed.inferred) | set(last.inferred) == set(undisturbed[0].inferred)
    (again,) = inferred_again([killed, last])
    assert again <= LOST, (killed.inferred, last.inferred)
    return again


@pytest.mark.timeout(600)
def test_a_run_that_is_killed_goes_on_and_publishes_the_same_bytes(
    launcher: Launcher, undisturbed: tuple[Run, LocalStore], tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)
    killed = begin(launcher, store)
    assert killed.until(lambda: len(killed.inferred) >= 4)
    assert killed.kill()
    assert not any(key.endswith("/selections.jsonl") for key in lasting(store))
    assert end(launcher, killed, store, undisturbed) > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_every_kind_of_moment_changes_no_byte(
    point: str, launcher: Launcher, undisturbed: tuple[Run, LocalStore], tmp_path: Path
) -> None:
    store, (when, where) = LocalStore(tmp_path), POINTS[point]
    shards = len(list(Path(undisturbed[1].uri).glob("stage_b/*/shards/*.jsonl")))
    killed = begin(launcher, store, {child.KILL: when.replace("{last}", str(shards))})
    killed.wait()
    assert (killed.code, phase(killed)) == (-9, where), killed.stderr
    end(launcher, killed, store, undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_kills_at_random_moments_change_no_byte(
    launcher: Launcher,
    undisturbed: tuple[Run, LocalStore],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """One in each tenth of a run, so that no part of it is left out."""
    whole = begin(launcher, LocalStore(tmp_path / "whole"))
    assert whole.wait() == 0, whole.stderr
    moments, figures = random.Random(SEED), []
    for number in range(KILLS):
        store, at = LocalStore(tmp_path / str(number)), (number + moments.random()) * whole.seconds / KILLS
        run = begin(launcher, store)
        run.until(lambda run=run, at=at: run.seconds >= at)  # type: ignore[misc]
        killed = run.kill()
        told = {"after": round(at, 2), "killed": killed, "phase": phase(run), "done": len(run.inferred)}
        figures.append({**told, "again": end(launcher, run, store, undisturbed)})
        record_property("kills", json.dumps(figures))
    assert sum(figure["killed"] for figure in figures) >= KILLS // 2, "most of them were over before their kill"
