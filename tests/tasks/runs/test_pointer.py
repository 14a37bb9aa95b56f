"""Tests of the pointer to a mission's newest run: forward only, and made again from what else is there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from blocks.s3_store import S3Store
from configs.stores import S3Location, S3Options
from tasks.records.errors import Superseded
from tasks.records.jsonl import to_line
from tasks.records.stage_a import Latest
from tasks.runs.keys import latest_key, pointer_key, pointers_folder
from tasks.runs.pointer import current, look, point_to
from tasks.runs.publish import Published
from tests.builders import MISSION, make_group, make_outcomes, publish_groups
from tests.servers import S3Server

LATEST = latest_key(MISSION)


def run_of(store: Any, number: int) -> Published:
    """A published run, another one for each number; nothing points to it yet."""
    group = make_group(f"QC-{number}", 1)
    return publish_groups(store, [group], make_outcomes([group]))


def moved(store: Any, number: int) -> Published:
    """A published run that the pointer was moved to."""
    before = current(store, MISSION)
    published = run_of(store, number)
    point_to(store, published, before)
    return published


def pointer(store: Any) -> dict[str, Any]:
    """What latest.json says."""
    value: dict[str, Any] = json.loads(store.read(LATEST))
    return value


def forget_moves(store: LocalStore) -> None:
    """Leave what an earlier release does: no object for each move."""
    for info in list(store.list(pointers_folder(MISSION) + "/")):
        store.delete(info.key)


def test_the_pointer_counts_the_runs_of_a_mission(store: LocalStore) -> None:
    first = run_of(store, 1)
    latest = point_to(store, first, None)
    assert (latest.run_id, latest.manifest, latest.sha256, latest.sequence) == (
        first.manifest.run_id,
        first.key,
        first.sha256,
        1,
    )
    assert store.read(LATEST) == store.read(pointer_key(MISSION, 1)) == to_line(latest)
    second = moved(store, 2)
    assert pointer(store)["sequence"] == 2
    assert point_to(store, second, None).sequence == 2
    assert point_to(store, first, current(store, MISSION)).sequence == 3
    assert [info.key for info in sorted(store.list(pointers_folder(MISSION) + "/"), key=lambda info: info.key)] == [
        pointer_key(MISSION, number) for number in (1, 2, 3)
    ]


def test_the_pointer_does_not_move_back_to_what_an_older_look_found(store: LocalStore) -> None:
    first = run_of(store, 1)
    moved(store, 2)
    newer = store.read(LATEST)
    with pytest.raises(Superseded, match="moved to run"):
        point_to(store, first, None)
    assert store.read(LATEST) == newer


def test_pointing_again_to_the_same_run_writes_nothing(store: LocalStore) -> None:
    published = moved(store, 1)
    before = {info.key: os.stat(store.uri_of(info.key)).st_mtime_ns for info in store.list()}
    assert point_to(store, published, None) == point_to(store, published, current(store, MISSION))
    assert {info.key: os.stat(store.uri_of(info.key)).st_mtime_ns for info in store.list()} == before


def test_the_mission_is_confirmed_right_before_the_pointer_moves(store: LocalStore) -> None:
    published = run_of(store, 1)

    def lost() -> None:
        raise Superseded("taken over")

    with pytest.raises(Superseded, match="taken over"):
        point_to(store, published, None, lost)
    assert current(store, MISSION) is None


Damage = Callable[[bytes], bytes | None]
DAMAGES: dict[str, Damage] = {
    "gone": lambda data: None,
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "garbage": lambda data: b"\xff\x00" * 40,
    "deep": lambda data: b"[" * 100_000,
    "another sha256": lambda data: data.replace(data[data.index(b"sha256") + 10 :][:64], b"0" * 64),
    "another run": lambda data: data.replace(b'"run_id": "', b'"run_id": "00'),
    "another key": lambda data: data.replace(b"/runs/", b"/../"),
}


def spoil(store: Any, damage: str) -> None:
    """Damage latest.json."""
    good = store.read(LATEST)
    left = DAMAGES[damage](good)
    if left is None:
        store.delete(LATEST)
    else:
        assert left != good
        store.write(LATEST, left)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_pointer_is_known_and_set_right_by_the_next_run(store: LocalStore, damage: str) -> None:
    moved(store, 1)
    newest = moved(store, 2)
    good = store.read(LATEST)
    spoil(store, damage)
    found = look(store, MISSION)
    assert found.fault is not None
    assert found.fault.startswith(store.uri_of(LATEST))
    assert found.latest is not None
    assert to_line(found.latest) == good
    # The same run once more sets it right, and another one moves on from there.
    point_to(store, newest, found.latest)
    assert store.read(LATEST) == good
    assert look(store, MISSION).fault is None
    spoil(store, damage)
    moved(store, 3)
    assert pointer(store)["sequence"] == 3


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name not in {"gone", "another run", "another key"}])
def test_in_a_store_of_an_earlier_release_the_runs_say_which_is_the_newest(store: LocalStore, damage: str) -> None:
    runs = [moved(store, number) for number in (1, 2, 3)]
    for age, published in zip((30, 10, 20), runs, strict=True):
        path = store.uri_of(published.key)
        os.utime(path, (os.stat(path).st_mtime - age,) * 2)
    store.write(LATEST, to_line(Latest.model_validate({**pointer(store), **_of(runs[1])})))
    forget_moves(store)
    spoil(store, damage)
    found = look(store, MISSION)
    assert found.fault is not None
    assert found.latest is not None
    assert (found.latest.run_id, found.latest.sha256) == (runs[1].manifest.run_id, runs[1].sha256)
    point_to(store, runs[1], found.latest)
    assert look(store, MISSION).fault is None
    assert moved(store, 4).manifest.run_id == pointer(store)["run_id"]
    assert pointer(store)["sequence"] == 4


def _of(published: Published) -> dict[str, str]:
    return {"run_id": published.manifest.run_id, "manifest": published.key, "sha256": published.sha256}


def test_a_manifest_that_does_not_check_out_is_not_taken_for_the_newest_run(store: LocalStore) -> None:
    first = moved(store, 1)
    second = moved(store, 2)
    forget_moves(store)
    store.write(LATEST, b"")
    path = Path(store.uri_of(second.key))
    path.write_bytes(path.read_bytes().replace(b'"groups": 1', b'"groups": 2'))
    found = current(store, MISSION)
    assert found is not None
    assert found.run_id == first.manifest.run_id


def test_garbage_in_a_store_without_a_run_is_no_run(store: LocalStore) -> None:
    store.write(LATEST, b"{")
    assert look(store, MISSION).latest is None
    moved(store, 1)
    assert pointer(store)["sequence"] == 1


def test_a_move_that_was_cut_off_before_latest_json_is_finished(store: LocalStore) -> None:
    first, second = moved(store, 1), run_of(store, 2)
    latest = point_to(store, second, current(store, MISSION))
    store.write(LATEST, store.read(pointer_key(MISSION, 1)))
    assert current(store, MISSION) == latest
    with pytest.raises(Superseded):
        point_to(store, first, Latest.model_validate(pointer(store)))
    point_to(store, second, latest)
    assert pointer(store)["sequence"] == 2


def test_a_move_that_was_half_written_is_written_again(store: LocalStore) -> None:
    store.write(pointer_key(MISSION, 1), b'{"run_')
    published = moved(store, 1)
    assert store.read(pointer_key(MISSION, 1)) == store.read(LATEST)
    assert pointer(store)["run_id"] == published.manifest.run_id


@pytest.fixture(params=["local", "moto", "rclone"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    """Opens one and the same store of a kind, each time as another process would."""
    if request.param == "local":
        return lambda: LocalStore(tmp_path / "store")
    server: S3Server = request.getfixturevalue(f"{request.param}_server")
    location = S3Location(server.new_bucket(), "out")
    options = S3Options(endpoint_url=server.endpoint, region="us-east-1")
    return lambda: S3Store(location, options, server.credentials())


@pytest.mark.parametrize("frozen_at", ["the move", "latest.json"])
@pytest.mark.parametrize("first", [True, False], ids=["no pointer before", "one before"])
def test_a_holder_that_freezes_between_look_and_write_cannot_move_the_pointer_back(
    opened: Callable[[], Any], frozen_at: str, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is frozen right before the write itself goes out; meanwhile the mission is taken over, and another run
    published. rclone obeys no condition at all: there the pointer is set right at once."""
    sleepy = opened()
    if not first:
        moved(opened(), 0)
    before, mine = current(sleepy, MISSION), run_of(sleepy, 1)
    others: list[Published] = []

    def freeze() -> None:
        if not others:
            others.append(run_of(opened(), 2))
            point_to(opened(), others[0], current(opened(), MISSION))

    place = pointers_folder(MISSION) if frozen_at == "the move" else LATEST
    if isinstance(sleepy, LocalStore):
        for name in ("link", "rename", "replace"):
            really = getattr(os, name)

            def slow(source: str, target: str, really: Callable[..., None] = really) -> None:
                if place in target:
                    freeze()
                really(source, target)

            monkeypatch.setattr(os, name, slow)
    else:

        def slow_put(model: Any, params: dict[str, Any], **_: Any) -> None:
            if model.name == "PutObject" and place in _key_of(params):
                freeze()

        sleepy._client.meta.events.register("before-call.s3.PutObject", slow_put)
    with pytest.raises(Superseded):
        point_to(sleepy, mine, before)
    assert others
    assert pointer(opened())["run_id"] == others[0].manifest.run_id
    found = look(opened(), MISSION)
    assert found.fault is None
    assert found.latest is not None
    assert found.latest.run_id == others[0].manifest.run_id
    moved(opened(), 3)
    assert look(opened(), MISSION).fault is None


def _key_of(params: dict[str, Any]) -> str:
    from urllib.parse import unquote

    return unquote(str(params["url_path"]))
