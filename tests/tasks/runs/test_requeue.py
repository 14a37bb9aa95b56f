"""Tests of carrying a published run over, so that only its quarantine is looked at again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from configs.parts import PublishingConfig
from tasks.ledger.groups import State
from tasks.ledger.ledger import Ledger
from tasks.records.errors import InputError, ManifestError, TooMuchQuarantined
from tasks.records.photos import Group, Label
from tasks.runs.keys import QUARANTINE
from tasks.runs.pointer import current, point_to
from tasks.runs.publish import Published
from tasks.runs.requeue import Carried, carry_over
from tests.builders import MISSION, make_bad, make_group, make_outcomes, publish_groups


def placed(group: Group) -> Group:
    """A group whose photos lie in its folder."""
    photos = tuple(replace(photo, key=f"{group.folder}/{photo.name}") for photo in group.photos)
    return replace(group, photos=photos)


GROUPS = [
    placed(make_group("QC-1", 2, Label.PASS)),
    placed(make_group("QC-2", 2, Label.FAIL)),
    placed(make_group("QC-3", 1, None, marked=False)),
]
OUTCOMES = make_outcomes(GROUPS, [make_bad(GROUPS[1].photos[1])])


def quarantine_of(published: Published) -> str:
    """The key of a run's quarantine."""
    return f"{published.key.rpartition('/')[0]}/{QUARANTINE}"


def published(store: LocalStore, groups: list[Group] = GROUPS, **changes: object) -> Published:
    """A published run that the pointer names."""
    before = current(store, MISSION)
    run = publish_groups(store, groups, OUTCOMES, **changes)
    point_to(store, run, before)
    return run


def carried(store: LocalStore, key: str) -> tuple[Carried, list[Group]]:
    """What is carried over, and the groups in the ledger then."""
    with Ledger() as ledger:
        result = carry_over(store, key, ledger.groups)
        return result, [entry.group for entry in ledger.groups.entries(State.ACCEPTED)]


def test_published_groups_are_carried_over_as_they_were(store: LocalStore) -> None:
    run = published(store)
    result, groups = carried(store, quarantine_of(run))
    assert groups == [GROUPS[0], GROUPS[2]]
    assert result == Carried(run.manifest, 2, (f"{MISSION}/{Label.FAIL}/QC-2",))


def test_a_group_that_was_published_in_part_is_looked_at_again(store: LocalStore) -> None:
    run = published(store, config=PublishingConfig(partial_groups="publish"))
    assert run.manifest.counts.groups_partial == 1
    result, groups = carried(store, quarantine_of(run))
    assert groups == [GROUPS[0], GROUPS[2]]
    assert result.folders == (f"{MISSION}/{Label.FAIL}/QC-2",)


def test_a_run_without_quarantine_is_carried_over_whole(store: LocalStore) -> None:
    run = published(store, [GROUPS[0]])
    result, groups = carried(store, quarantine_of(run))
    assert (groups, result.folders) == ([GROUPS[0]], ())


def test_a_run_that_is_not_the_newest_is_refused_and_the_newest_is_named(store: LocalStore) -> None:
    old = published(store)
    new = published(store, [GROUPS[0]])
    with pytest.raises(InputError, match=new.manifest.run_id):
        carried(store, quarantine_of(old))


def test_a_run_that_nothing_points_to_is_refused(store: LocalStore) -> None:
    run = publish_groups(store, GROUPS, OUTCOMES)
    with pytest.raises(InputError, match="not of the mission's newest run; run stage-a again"):
        carried(store, quarantine_of(run))


def test_a_run_that_was_refused_says_to_run_again(store: LocalStore) -> None:
    with pytest.raises(TooMuchQuarantined) as caught:
        publish_groups(store, GROUPS, OUTCOMES, config=PublishingConfig(max_quarantine_fraction=0.1))
    with pytest.raises(InputError, match="not published; run stage-a again"):
        carried(store, caught.value.quarantine)


def test_a_quarantine_that_was_edited_is_refused(store: LocalStore) -> None:
    run = published(store)
    key = quarantine_of(run)
    _, _, rest = store.read(key).partition(b"\n")
    store.write(key, rest)
    with pytest.raises(ManifestError, match=QUARANTINE):
        carried(store, key)


def test_carrying_over_writes_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    run = published(store)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    carried(store, quarantine_of(run))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
