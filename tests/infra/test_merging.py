"""Files, server and memory merged: nothing of a person's is undone, nothing of the files' is lost."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.merging import MISSING, Leaf, Merged, merge

KEYS = st.sampled_from(["active", "cron", "limit", "tags"])
LEAVES = st.one_of(st.booleans(), st.integers(0, 3), st.none(), st.sampled_from(["0 2 * * *", "0 3 * * *"]))
VALUES = st.recursive(LEAVES | st.lists(LEAVES, max_size=2), lambda below: st.dictionaries(KEYS, below, max_size=3))
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)


@given(DOCUMENTS, DOCUMENTS)
def test_what_the_files_did_not_change_stays_as_people_left_it(base: Any, there: Any) -> None:
    merged = merge([base], there, base)
    assert merged.value == there
    assert not merged.changed


@given(DOCUMENTS, DOCUMENTS)
def test_what_nobody_touched_becomes_what_the_files_say(base: Any, wanted: Any) -> None:
    merged = merge([base], copy.deepcopy(base), wanted)
    assert merged.value == wanted
    assert not merged.kept
    assert not any(one.by_hand for one in merged.changed)


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_a_second_deploy_changes_nothing(base: Any, there: Any, wanted: Any) -> None:
    first = merge([base], there, wanted)
    second = merge([wanted], first.value, wanted)
    assert second.value == first.value
    assert not second.changed
    assert {one.path for one in second.kept} >= {one.path for one in first.kept if one.there is not MISSING}


@given(DOCUMENTS, DOCUMENTS)
def test_the_first_deploy_adds_and_changes_nothing_that_is_there(there: Any, wanted: Any) -> None:
    merged = merge([], there, wanted)
    assert not any(one.there is not MISSING for one in merged.changed)
    assert merge([], MISSING, wanted).value == wanted


@st.composite
def interrupted(draw: st.DrawFn) -> tuple[list[Any], Any]:
    """What was deployed, what deploys were about to write after it, and what they left, each killed at a key."""
    bases = draw(st.lists(DOCUMENTS, min_size=2, max_size=4))
    there = dict(bases[0])
    for pending in bases[1:]:
        for key in {*there, *pending}:
            if draw(st.booleans()):
                there = {name: one for name, one in there.items() if name != key}
                there |= {key: pending[key]} if key in pending else {}
    return bases, there


@given(interrupted(), DOCUMENTS)
def test_after_deploys_that_were_killed_any_files_are_deployed_whole(left: tuple[list[Any], Any], wanted: Any) -> None:
    bases, there = left
    for files in (wanted, *bases):
        merged = merge(bases, there, files)
        assert merged.value == files
        assert not any(one.by_hand for one in merged.changed)


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_every_difference_is_told_once(base: Any, there: Any, wanted: Any) -> None:
    merged = merge([base], there, wanted)
    paths = [one.path for one in [*merged.changed, *merged.kept]]
    assert len(set(paths)) == len(paths)
    assert (merged.value == there) or merged.changed
    assert (merged.value == wanted) or merged.kept


@pytest.mark.parametrize(
    ("base", "there", "wanted", "value"),
    [
        (True, False, True, False),
        (False, False, True, True),
        ("0 2 * * *", "0 4 * * *", "0 2 * * *", "0 4 * * *"),
        ("0 2 * * *", "0 2 * * *", "0 3 * * *", "0 3 * * *"),
        ("0 2 * * *", "0 4 * * *", "0 3 * * *", "0 3 * * *"),
        (1, MISSING, 1, MISSING),
        (MISSING, 1, MISSING, 1),
        (["a"], ["a", "b"], ["a"], ["a", "b"]),
    ],
)
def test_a_leaf(base: Any, there: Any, wanted: Any, value: Any) -> None:
    assert merge([base], there, wanted).value == value


def test_files_that_changed_what_a_person_changed_win_and_say_so() -> None:
    leaf = Leaf(("cron",), "4", "3", by_hand=True)
    assert merge([{"cron": "2", "active": True}], {"cron": "4", "active": False}, {"cron": "3", "active": True}) == (
        Merged({"cron": "3", "active": False}, [leaf], [Leaf(("active",), False, True)])
    )
