"""Tests of what a dense caption is, and of how it is written."""

from __future__ import annotations

from tasks.dense.caption import Caption, DenseObject, Geometry


def test_a_caption_is_written_in_one_way_only() -> None:
    caption = Caption(
        (
            DenseObject("BBU设备/品牌:华为", Geometry("bbox_2d", ((10, 20), (990, 220)))),
            DenseObject("光纤/有保护", Geometry("line", ((500, 300), (400, 350), (420, 360)))),
            DenseObject("挡风板", Geometry("poly", ((0, 400), (9, 400), (9, 450), (0, 450)))),
        )
    )
    assert caption.text() == (
        '{"object_1":{"desc":"BBU设备/品牌:华为","bbox_2d":[10,20,990,220]},'
        '"object_2":{"desc":"光纤/有保护","line_points":3,"line":[500,300,400,350,420,360]},'
        '"object_3":{"desc":"挡风板","poly":[0,400,9,400,9,450,0,450]}}'
    )
    assert [item.type for item in caption.objects] == ["BBU设备", "光纤", "挡风板"]


def test_objects_are_numbered_in_their_order_and_not_in_that_of_their_names() -> None:
    boxes = [DenseObject("标签", Geometry("bbox_2d", ((0, y), (9, y + 5)))) for y in range(12)]
    assert list(Caption(tuple(boxes)).as_json()) == [f"object_{number}" for number in range(1, 13)]


def test_no_object_is_a_caption_too() -> None:
    assert Caption(()).text() == "{}"
