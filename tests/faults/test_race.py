"""Two runs of one mission at the same moment, on every kind of store. Knows no lock's inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from blocks.store import Store
from blocks.stores import open_store
from configs.stores import S3Options
from tasks.runs.keys import lock_key
from tests.builders import FOLDER
from tests.faults.conftest import PHOTOS
from tests.faults.runs import Launcher, Run, check_all, published, sequence
from tests.servers import S3Server

KINDS = ("local", "moto", "rclone")
TIMES = 10


@dataclass(frozen=True, slots=True)
class Place:
    """A store that a child is led to by `flags` and `env`, and the same store for us to look at."""

    uri: str
    store: Store
    flags: tuple[str, ...] = ()
    env: Mapping[str, str] | None = None


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An empty store of the kind that the test asks for."""
    kind: str = request.param
    if kind == "local":
        return Place(str(tmp_path), open_store(str(tmp_path)))
    server: S3Server = request.getfixturevalue(f"{kind}_server")
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    uri = f"s3://{server.new_bucket()}/out"
    store = open_store(uri, S3Options(endpoint_url=server.endpoint, region="us-east-1"))
    return Place(uri, store, ("--endpoint-url", server.endpoint, "--region", "us-east-1"), server.env)


def two(launcher: Launcher, place: Place, *flags: str) -> tuple[Run, Run]:
    """Two runs that were started at the same moment, both ended."""
    first, second = (launcher.start(place.uri, *place.flags, *flags, env=place.env, stage_b=True) for _ in range(2))
    first.wait()
    second.wait()
    return first, second


def stage_a_of(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Stage-A's files alone: what Stage-B says names the store."""
    return {key: data for key, data in files.items() if key.startswith("stage_a/")}


def check_one_run(place: Place, reference: Mapping[str, bytes]) -> None:
    """One whole run is in the store, the one that an undisturbed process publishes, and nobody holds the mission."""
    assert stage_a_of(published(place.store)) == stage_a_of(reference)
    assert sorted(checked.stage for checked in check_all(place.store)) == ["stage_a", "stage_b"]
    assert sequence(place.store) == 1
    assert place.store.stat(lock_key(FOLDER)) is None


def race(launcher: Launcher, place: Place, reference: Mapping[str, bytes]) -> None:
    """Both runs end well, one with all of the work and one with none of it."""
    runs = two(launcher, place)
    assert [run.code for run in runs] == [0, 0], [run.stderr for run in runs]
    assert sorted(len(run.inferred) for run in runs) == [0, PHOTOS]
    assert sorted(run.summary["fresh"] for run in runs) == [False, True]
    assert {run.summary["sha256"] for run in runs} == {checked.sha256 for checked in check_all(place.store)[:1]}
    check_one_run(place, reference)


@pytest.mark.parametrize(
    "place", [KINDS[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])], indirect=True
)
def test_of_two_runs_one_works_and_the_other_finds_it_done(
    place: Place, launcher: Launcher, reference: Mapping[str, bytes]
) -> None:
    race(launcher, place, reference)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", KINDS[1:], indirect=True)
@pytest.mark.parametrize("time", range(TIMES))
def test_again_and_again(place: Place, time: int, launcher: Launcher, reference: Mapping[str, bytes]) -> None:
    race(launcher, place, reference)


def refuse(launcher: Launcher, place: Place, reference: Mapping[str, bytes]) -> None:
    """One run publishes and the other one says that it does not wait."""
    # A claim that took longer than a sixtieth of the lease on a busy machine first waits for half the lease to see
    # whether it came late; with a short lease the other run may be done by then, and the mission free.
    flags = ("--wait-seconds", "0", "--publishing.lease-seconds", "240")
    runs = sorted(two(launcher, place, *flags), key=lambda run: run.code or 0)
    assert [run.code for run in runs] == [0, 1], "\n\n".join(run.stderr for run in runs)
    assert "MissionBusy: " in runs[1].complaint
    assert "Traceback" not in runs[1].stderr
    assert [len(run.inferred) for run in runs] == [PHOTOS, 0]
    check_one_run(place, reference)


@pytest.mark.slow
@pytest.mark.parametrize("place", KINDS[:1], indirect=True)
def test_who_does_not_wait_ends_at_once(place: Place, launcher: Launcher, reference: Mapping[str, bytes]) -> None:
    refuse(launcher, place, reference)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", KINDS[1:], indirect=True)
@pytest.mark.parametrize("time", range(TIMES // 2))
def test_who_does_not_wait_ends_at_once_again_and_again(
    place: Place, time: int, launcher: Launcher, reference: Mapping[str, bytes]
) -> None:
    refuse(launcher, place, reference)
