"""Dense captions of scenes: what the model is taught is what `tasks.dense` accepts, in order and in the right place."""

from __future__ import annotations

import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.demo.scenes import BAFFLE, FIBRE, WIRE, Scene, Split, Thing, sample, seed_of
from infra.demo.training.pictures import cells_in_order, places, turns, written
from infra.demo.wording import caption_objects, dense_caption
from tasks.dense.parse import parse_caption

seeds = st.builds(seed_of, st.sampled_from(Split), st.integers(0, 10**9 - 1))


@given(seeds)
@settings(max_examples=300, deadline=None)
def test_every_caption_keeps_the_rules_and_is_written_in_the_one_way(seed: int) -> None:
    scene = sample(seed)
    text = dense_caption(scene)
    caption = parse_caption(text, "stop")
    assert caption.text() == text
    assert json.loads(text) == caption_objects(scene)
    assert Counter(item.desc for item in caption.objects) == Counter(thing.description for thing in scene.things)
    assert (text == "{}") == (scene.kind == "irrelevant")


@given(seeds)
@settings(max_examples=300, deadline=None)
def test_every_kind_has_its_geometry_within_its_box(seed: int) -> None:
    scene = sample(seed)
    width, height = scene.size
    boxes: dict[str, list[list[int]]] = {thing.description: [] for thing in scene.things}
    for thing in scene.things:
        left, top, right, bottom = thing.box
        sides = (left / width, top / height, right / width, bottom / height)
        boxes[thing.description].append([round(1000 * side) for side in sides])
    for item in parse_caption(dense_caption(scene)).objects:
        kinds = {BAFFLE: "poly", FIBRE: "line", WIRE: "line"}
        assert item.geometry.kind == kinds.get(item.type, "bbox_2d")
        xs, ys = zip(*item.geometry.points, strict=True)
        around = [min(xs), min(ys), max(xs), max(ys)]
        if item.geometry.kind == "line":
            assert len(set(xs)) == 1
            assert any(box[0] < xs[0] < box[2] and around[1::2] == box[1::2] for box in boxes[item.desc])
        else:
            assert around in boxes[item.desc]
        if item.geometry.kind == "poly":
            (x1, y1), (x2, y2), (x3, y3), (x4, y4) = item.geometry.points
            assert (x1, x2) == (x4, x3)
            assert (y1 == y2 and y3 == y4) == item.desc.endswith("/安装规范")
            assert y1 < y4


@given(seeds)
@settings(max_examples=100, deadline=None)
def test_the_labels_of_training_say_the_same_as_the_caption(seed: int) -> None:
    scene = sample(seed)
    (_, height), (cols, rows) = scene.size, scene.grid
    caption, numbers, where = parse_caption(dense_caption(scene)), written(scene), places(scene)
    order = cells_in_order(scene)
    assert [int(turns(scene)[cell]) for cell in order] == list(range(1, len(scene.things) + 1))
    assert (turns(scene) > 0).sum() == len(order) == (numbers[:, 0] >= 0).sum()
    tops = {thing.cell[1] * cols + thing.cell[0]: thing.box[1] for thing in scene.things}
    for item, cell in zip(caption.objects, order, strict=True):
        points = item.geometry.points
        assert numbers[cell].tolist() == [*points[0], *points[2 if item.geometry.kind == "poly" else -1]]
        assert abs((where[cell][1] + cell // cols) * height / rows - tops[cell]) < 0.01


def test_a_caption_as_it_is_written() -> None:
    things = (
        Thing("光纤", ("有保护",), (60, 40, 120, 200), (0, 0)),
        Thing("标签", ("颜色:黄色,可识别",), (300, 40, 361, 100), (1, 0)),
        Thing("挡风板", ("安装不规范",), (6, 300, 594, 400), (0, 3)),
    )
    scene = Scene(0, "rack", (600, 400), (9, 6), ("bbu",), things)
    assert dense_caption(scene) == (
        '{"object_1":{"desc":"光纤/有保护","line_points":2,"line":[150,100,150,500]},'
        '"object_2":{"desc":"标签/颜色:黄色,可识别","bbox_2d":[500,100,602,250]},'
        '"object_3":{"desc":"挡风板/安装不规范","poly":[10,855,990,750,990,895,10,1000]}}'
    )
