"""Wall clocks that jump in mid-run or between runs. Knows that monotonic clocks go on, as they do on a real machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from blocks.stores import open_store
from configs.stores import S3Options
from tasks.runs.keys import latest_key, lock_key
from tests.builders import FOLDER
from tests.faults import child
from tests.faults.conftest import PHOTOS
from tests.faults.runs import LOST, MISSION, SHARD, Launcher, check_all, published, sequence
from tests.servers import S3Server

DAY = 86_400


def latest(store: LocalStore) -> dict[str, Any]:
    """The mission's pointer."""
    pointer: dict[str, Any] = json.loads(store.read(latest_key(MISSION)))
    return pointer


def published_at(store: LocalStore) -> datetime:
    """When the newest run says that it was published."""
    return datetime.fromisoformat(latest(store)["published_at"])


@pytest.mark.slow
@pytest.mark.parametrize("jump", [pytest.param(DAY, id="a day ahead"), pytest.param(-DAY, id="a day back")])
def test_a_jump_in_mid_run_changes_no_byte(
    jump: int, launcher: Launcher, reference: Mapping[str, bytes], tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)
    before = datetime.now().astimezone()
    run = launcher.start(tmp_path, env={child.CLOCK: f"{SHARD + 1}:{jump}"}, stage_b=True)
    assert run.wait() == 0, run.stderr
    assert abs(published_at(store) - before - timedelta(seconds=jump)) < timedelta(hours=1), "the clock did not jump"
    assert len(run.inferred) == PHOTOS
    assert 0 < run.summary["seconds"] < run.seconds
    assert published(store) == reference
    assert sequence(store) == 1
    assert store.stat(lock_key(FOLDER)) is None


@pytest.mark.slow
def test_an_s3_server_that_does_not_believe_the_clock_is_told_of_in_a_line(
    launcher: Launcher,
    reference: Mapping[str, bytes],
    rclone_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request signed a day ahead is refused, that to let the mission go too; the next run takes it over."""
    for name, value in rclone_server.env.items():
        monkeypatch.setenv(name, value)
    uri = f"s3://{rclone_server.new_bucket()}/out"
    store = open_store(uri, S3Options(endpoint_url=rclone_server.endpoint, region="us-east-1"))
    flags = ("--endpoint-url", rclone_server.endpoint, "--region", "us-east-1")
    run = launcher.start(uri, *flags, env={**rclone_server.env, child.CLOCK: f"{SHARD + 1}:{DAY}"})
    assert run.wait() == 1, run.stderr
    assert "StoreDenied" in run.complaint
    assert "set the clock" in run.complaint
    assert "Traceback" not in run.stderr
    again = launcher.start(uri, *flags, env=rclone_server.env)
    assert again.wait() == 0, again.stderr
    assert {key: data for key, data in reference.items() if key.startswith("stage_a/")} == published(store)
    assert len(set(run.inferred) & set(again.inferred)) <= LOST
    assert store.stat(lock_key(FOLDER)) is None


@pytest.mark.slow
def test_the_pointer_moves_forward_when_the_clock_goes_back(
    launcher: Launcher, reference: Mapping[str, bytes], tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)
    first = launcher.start(tmp_path, env={child.CLOCK: f"0:{DAY}"}, stage_b=True)
    assert first.wait() == 0, first.stderr
    ahead = published_at(store)
    second = launcher.start(tmp_path, "--partial-groups", "publish", env={child.CLOCK: f"0:{-DAY}"})
    assert second.wait() == 0, second.stderr
    assert not second.inferred
    assert published_at(store) - ahead < timedelta(days=-1)
    assert latest(store)["sequence"] == 2
    assert second.summary["manifest"].endswith(latest(store)["manifest"])
    assert len(check_all(store)) == 3
    assert {key: data for key, data in published(store).items() if key in reference} == reference
