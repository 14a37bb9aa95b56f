"""What a person says of a run, and the manifest that it stands for."""

from __future__ import annotations

import pytest

from blocks.local_store import LocalStore
from tasks.records.errors import ManifestError
from tasks.runs.keys import latest_key
from tasks.runs.newest import manifest_of
from tasks.runs.pointer import point_to
from tests.builders import MISSION, published_run


def test_latest_stands_for_the_newest_run_and_a_manifest_for_itself(store: LocalStore) -> None:
    published = published_run(store)
    point_to(store, published, None)
    for root in ("s3://bucket/a", "block://gpu", "/data/store", "."):
        asked: list[str] = []

        def opened(uri: str, asked: list[str] = asked) -> LocalStore:
            asked.append(uri)
            return store

        manifest = f"{root}/{published.key}"
        assert manifest_of(f"{root}/{latest_key(MISSION)}", opened) == manifest
        assert asked == [root]
        assert manifest_of(manifest, opened) == manifest
        assert asked == [root], "of a manifest nothing is opened"


def test_a_mission_without_a_run_is_told(store: LocalStore) -> None:
    with pytest.raises(ManifestError, match=f"no run of {MISSION} was published to s3://bucket"):
        manifest_of(f"s3://bucket/{latest_key(MISSION)}", lambda root: store)


def test_a_damaged_pointer_is_no_trouble(store: LocalStore) -> None:
    published = published_run(store)
    point_to(store, published, None)
    store.write(latest_key(MISSION), b"x")
    assert manifest_of(f"./{latest_key(MISSION)}", lambda root: store) == f"./{published.key}"
