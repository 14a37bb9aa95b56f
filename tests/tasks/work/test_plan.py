"""Tests of planning: shards with every item once, and of one size at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.local_store import LocalStore
from configs.stage_a import StageAConfig
from tasks.records.photos import Group, Label
from tasks.records.work import Identity, Shard, WorkItem
from tasks.work.plan import differences, plan_shards, shard_size
from tests.builders import (
    MISSION,
    examples,
    make_group,
    make_identity,
    make_item,
    make_ledger,
    make_photo,
    published_run,
    sha,
)

REVISION = 3

contents = st.lists(st.sampled_from("abcdefghij"), min_size=0, max_size=6)


def planned(groups: Iterable[Group], identity: Identity, most: int) -> list[Shard]:
    """The shards of these groups' work, through the ledger."""
    with make_ledger(groups, identity=identity) as ledger:
        return list(plan_shards(ledger.works.pending(), lambda: most, 0, REVISION))


def to_groups(lists: list[list[str]]) -> list[Group]:
    """Groups whose photos have these bytes."""
    return [make_group(f"QC-{index}", contents=told) for index, told in enumerate(lists) if told]


@examples()
@given(st.lists(contents, max_size=6), st.integers(1, 7))
def test_every_photo_is_in_exactly_one_shard_in_the_order_of_the_groups(lists: list[list[str]], most: int) -> None:
    shards = planned(to_groups(lists), make_identity(), most)
    photos = [item.about.sha256 for shard in shards for item in shard.items]
    assert photos == list(dict.fromkeys(sha(content) for told in lists for content in told))
    assert [len(shard.items) for shard in shards[:-1]] == [most] * (len(shards) - 1)
    assert all(1 <= len(shard.items) <= most for shard in shards)
    for shard in shards:
        assert all(item.work_key == make_identity().work_key(item.about.sha256) for item in shard.items)


@examples()
@given(st.lists(contents, max_size=5), st.integers(1, 7))
def test_the_same_work_has_the_same_keys(lists: list[list[str]], most: int) -> None:
    plans = [planned(to_groups(lists), make_identity(), most) for _ in range(2)]
    assert plans[0] == plans[1]
    other = planned(to_groups(lists), make_identity(checkpoint=sha("other")), most)
    assert not {shard.key for shard in plans[0]} & {shard.key for shard in other}


@examples()
@given(st.permutations("abcde"))
def test_the_key_of_a_shard_does_not_depend_on_order_or_names(order: list[str]) -> None:
    (shard,) = planned([make_group("QC-9", contents=order)], make_identity(), 10)
    (usual,) = planned([make_group("QC-1", contents=list("abcde"))], make_identity(), 10)
    assert shard.key == usual.key


def test_a_resubmitted_photo_is_planned_once() -> None:
    groups = [make_group("QC-1", contents="ab", label=Label.FAIL), make_group("QC-1", contents="abc", label=Label.PASS)]
    (shard,) = planned(groups, make_identity(), 100)
    assert [item.about.key for item in shard.items] == [
        f"{MISSION}/QC-1/img1.jpg",
        f"{MISSION}/QC-1/img2.jpg",
        f"{MISSION}/QC-1/img3.jpg",
    ]


def test_an_epoch_makes_other_keys_of_the_same_work() -> None:
    items = [make_item(make_photo(content)) for content in "abc"]
    keys = [[shard.key for shard in plan_shards(items, lambda: 2, epoch, REVISION)] for epoch in (0, 1, 2)]
    assert len({key for epoch in keys for key in epoch}) == 6
    assert [shard.epoch for shard in plan_shards(items, lambda: 2, 2, REVISION)] == [2, 2]


def test_a_shard_with_a_photo_that_is_asked_on_is_another_one_than_before() -> None:
    items = [make_item(make_photo(content)) for content in "abc"]
    begun = [items[0], replace(items[1], asked=1), items[2]]
    before, after = list(plan_shards(items, lambda: 2, 0, REVISION)), list(plan_shards(begun, lambda: 2, 0, REVISION))
    assert [shard.revision for shard in before + after] == [0, 0, REVISION, 0]
    assert before[0].key != after[0].key
    assert before[1] == after[1]


def test_planning_reads_no_more_work_than_a_shard_needs() -> None:
    read: list[str] = []

    def items() -> Iterator[WorkItem]:
        for name in "abcdef":
            read.append(name)
            yield make_item(make_photo(name))

    next(plan_shards(items(), lambda: 2, 0, REVISION))
    assert read == ["a", "b"]


def test_each_shard_has_the_size_that_is_asked_for_before_it() -> None:
    items = [make_item(make_photo(content)) for content in "abcdefg"]
    sizes = iter([1, 3, 2, 9, 9])
    assert [len(shard.items) for shard in plan_shards(items, lambda: next(sizes), 0, REVISION)] == [1, 3, 2, 1]


@pytest.mark.parametrize(
    ("changed", "rate", "wanted"),
    [
        ({}, 0.0, 128),  # four batches of 32
        ({}, 12.5, 750),
        ({}, 0.05, 128),  # a slow device still fills its batches
        ({}, 1e9, 2048),
        ({"shard_seconds": 30}, 12.5, 375),
        ({"shard_photos": 3}, 0.0, 3),
        ({"shard_photos": 3}, 12.5, 3),
        ({"devices": ("cuda:0", "cuda:1", "cuda:2")}, 30.0, 600),
        ({"engine": {"batch_size": 200}}, 1.0, 800),
    ],
)
def test_a_shard_is_as_large_as_fills_its_time(changed: dict[str, Any], rate: float, wanted: int) -> None:
    assert shard_size(StageAConfig(**changed), rate) == wanted


def test_a_run_differs_from_a_manifest_in_what_is_named(tmp_path: Path) -> None:
    manifest = published_run(LocalStore(tmp_path)).manifest
    assert differences(make_identity(), manifest) == []
    changed: dict[str, Any] = {
        "prompt": sha("other"),
        "checkpoint": sha("other"),
        "adapters": (sha("a"),),
        "settings": {"grammar": 2},
    }
    for name, value in changed.items():
        assert differences(make_identity(**{name: value}), manifest) == [name]
    assert differences(make_identity(**changed), manifest) == list(changed)


def test_a_photo_is_identified_by_its_bytes_alone() -> None:
    one, two = make_photo("same", "a.jpg", "QC-1"), make_photo("same", "b.jpg", "QC-2")
    assert make_identity().work_key(one.sha256) == make_identity().work_key(two.sha256)
