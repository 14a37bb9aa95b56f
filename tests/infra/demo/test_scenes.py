"""Scenes: every one has a summary of the right shape, keeps to its cells, and is drawn the same way every time."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.demo.drawing import draw
from infra.demo.scenes import (
    BAFFLE,
    BBU,
    CELL,
    DESCRIPTIONS,
    ERICSSON,
    PHOTO_SIZES,
    Scene,
    Split,
    Thing,
    sample,
    seed_of,
)
from infra.demo.wording import IRRELEVANT, MISSING_BAFFLE, adapter_summary, ordered, summary

_DESCRIPTION = r"[^\s，×/]+(?:/[^\s，×/]+){0,3}"
GRAMMAR = re.compile(rf"无关图片|{_DESCRIPTION}×[1-9]\d*(?:，{_DESCRIPTION}×[1-9]\d*)*(?:，备注: [^\s，]+)?")

seeds = st.builds(seed_of, st.sampled_from(Split), st.integers(0, 10**9 - 1))


@given(seeds)
@settings(max_examples=300, deadline=None)
def test_both_dialects_keep_to_the_grammar(seed: int) -> None:
    scene = sample(seed)
    for text in (summary(scene), adapter_summary(scene)):
        assert GRAMMAR.fullmatch(text), text
        assert not text.endswith("。")


@given(seeds)
@settings(max_examples=300, deadline=None)
def test_objects_stay_inside_the_picture_and_have_cells_of_their_own(seed: int) -> None:
    scene = sample(seed)
    (width, height), (cols, rows) = scene.size, scene.grid
    for thing in scene.things:
        left, top, right, bottom = thing.box
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        col, row = thing.cell
        assert 0 <= col < cols
        assert 0 <= row < rows
        assert row * height / rows - 1 <= top
        assert bottom <= (row + 1) * height / rows + 1
    cells = [thing.cell for thing in scene.things]
    assert len(set(cells)) == len(cells)


@given(seeds)
@settings(max_examples=300, deadline=None)
def test_a_caption_goes_row_by_row_what_carries_first_and_then_from_left_to_right(seed: int) -> None:
    scene = sample(seed)
    places = []
    for thing in ordered(scene):
        carries = thing.box[2] - thing.box[0] > scene.size[0] / 2
        places.append((thing.cell[1], -1 if carries else thing.cell[0]))
    assert places == sorted(places)


@given(seeds)
@settings(max_examples=300, deadline=None)
def test_counts_add_up_to_the_objects(seed: int) -> None:
    scene = sample(seed)
    counts = [int(count) for count in re.findall(r"×(\d+)", summary(scene))]
    assert sum(counts) == len(scene.things)
    assert (summary(scene) == IRRELEVANT) == (scene.kind == "irrelevant")
    assert {thing.description for thing in scene.things} <= set(DESCRIPTIONS)


@given(seeds)
@settings(max_examples=300, deadline=None)
def test_the_missing_baffle_is_remarked_on_when_and_only_when_one_is_needed(seed: int) -> None:
    scene = sample(seed)
    missing = scene.count(BBU) == 2 and not scene.count(f"{BBU}/{ERICSSON}") and not scene.count(BAFFLE)
    assert (MISSING_BAFFLE in summary(scene)) == missing


@pytest.mark.parametrize("index", range(4))
def test_the_same_seed_gives_the_same_pixels(index: int) -> None:
    seed = seed_of(Split.TESTS, index)
    first, second = draw(sample(seed)), draw(sample(seed))
    assert first.mode == "RGB"
    assert first.size == sample(seed).size
    assert np.array_equal(np.asarray(first), np.asarray(second))


def test_splits_never_share_a_seed() -> None:
    edges = [(seed_of(split, 0), seed_of(split, 10**9 - 1)) for split in Split]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(edges))
    with pytest.raises(ValueError, match="outside"):
        seed_of(Split.TESTS, 10**9)


def test_photo_sizes_are_landscape_portrait_and_square() -> None:
    shapes = {(width > height) - (width < height) for width, height in PHOTO_SIZES}
    assert shapes == {-1, 0, 1}
    assert any(width % CELL or height % CELL for width, height in PHOTO_SIZES)


def test_a_summary_names_like_objects_once_in_a_fixed_order() -> None:
    things = tuple(
        Thing(kind, traits, (0, 0, 10, 10), (col, 0))
        for col, (kind, traits) in enumerate(
            [("光模块", ()), ("BBU设备", ("品牌:中兴",)), ("光模块", ()), ("标签", ("颜色:黄色,无法识别",))]
        )
    )
    scene = Scene(0, "rack", (640, 480), (9, 6), ("bbu",), things)
    assert summary(scene) == "BBU设备/品牌:中兴×1，光模块×2，标签/颜色:黄色,无法识别×1，备注: 没有可识别的标签"
    assert adapter_summary(scene).startswith("BBU设备/品牌:中兴/无需挡风板×1，光模块×2，")
