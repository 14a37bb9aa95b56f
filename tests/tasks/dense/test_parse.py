"""Tests of reading a dense caption: a text is one, or every rule that it breaks is named, with the object."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.dense.caption import Caption, DenseObject, Geometry
from tasks.dense.parse import parse_caption
from tasks.dense.violations import MOST_LISTED, Violation
from tasks.records.errors import CaptionInvalid
from tests.builders import examples
from tests.tasks.dense.refusals import violations
from tests.tasks.dense.strategies import captions

BOX = {"desc": "标签", "bbox_2d": [1, 2, 3, 4]}
LINE = {"desc": "光纤/有保护", "line_points": 2, "line": [1, 2, 3, 4]}


def of_one(members: Any) -> tuple[str, ...]:
    """What is wrong with a caption of this one object."""
    return violations(json.dumps({"object_1": members}))


@examples()
@given(captions)
def test_a_valid_caption_is_read_back_as_it_was_written(caption: Caption) -> None:
    assert parse_caption(caption.text()) == caption


@examples()
@given(captions, st.randoms(), st.integers(0, 3))
def test_pairs_spaces_escapes_and_the_order_of_keys_are_free(caption: Caption, random: Any, indent: int) -> None:
    value = caption.as_json()
    for name, members in value.items():
        kind = next(key for key in ("bbox_2d", "poly", "line") if key in members)
        members[kind] = list(zip(members[kind][::2], members[kind][1::2], strict=True))
        value[name] = dict(random.sample(list(members.items()), len(members)))
    assert parse_caption(f" \n{json.dumps(value, indent=indent)}\n\t ") == caption


def test_ten_comes_after_nine() -> None:
    boxes = tuple(DenseObject("标签", Geometry("bbox_2d", ((y, y), (y + 1, y + 1)))) for y in range(101))
    assert parse_caption(Caption(boxes).text()).objects == boxes
    names = sorted(f"object_{number}" for number in range(1, 12))
    assert violations(json.dumps(dict.fromkeys(names, BOX)))[:2] == (
        "object_10: object_number: object_2 is due here",
        "object_2: object_number: object_12 is due here",
    )


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (5, ["not_an_object: it is 5"]),
        ([BOX], ["not_an_object: it is a list"]),
        ({}, ["desc_missing: it has no desc", "geometry_missing: it has none of bbox_2d, poly, line"]),
        (BOX | {"label": 1, "x\n": 2}, ['unknown_key: "label"', 'unknown_key: "x\\n"']),
        (BOX | {"desc": None}, ["desc_type: desc is null"]),
        (BOX | {"desc": ["标签"]}, ["desc_type: desc is a list"]),
        (BOX | {"desc": {"a": 1}}, ["desc_type: desc is an object"]),
        (BOX | {"desc": ""}, ['desc_empty: desc is ""']),
        (BOX | {"desc": "\u3000\n"}, ['desc_empty: desc is "\\u3000\\n"']),
        (BOX | {"desc": " 标签"}, ['desc_space: desc is " 标签"']),
        (BOX | {"desc": "标\n签"}, ['desc_lines: desc is "标\\n签"']),
        (BOX | {"desc": "标\u2028签"}, ['desc_lines: desc is "标\\u2028签"']),
        (BOX | {"desc": "标\x1b签"}, ['desc_unprintable: desc is "标\\x1b签"']),
        (BOX | {"desc": "标\ufe0f签"}, ['desc_unprintable: desc is "标\ufe0f签"']),
        (BOX | {"desc": "标\u200b签"}, ['desc_unprintable: desc is "标\\u200b签"']),
        (BOX | {"desc": "标\ufffd签"}, ['desc_replacement: desc is "标\ufffd签"']),
        (BOX | {"desc": "\ud800"}, ['desc_unprintable: desc is "\\ud800"']),
        (BOX | {"desc": "<|box_start|>标签"}, ['special_token: desc is "<|box_start|>标签"']),
        (
            BOX | {"desc": " 标\n\x00</box>"},
            [f'{code}: desc is " 标\\n\\x00</box>"' for code in ("special_token", "desc_space", "desc_lines")]
            + ['desc_unprintable: desc is " 标\\n\\x00</box>"'],
        ),
        ({"desc": "标签"}, ["geometry_missing: it has none of bbox_2d, poly, line"]),
        (BOX | LINE, ["geometry_several: it has bbox_2d and line"]),
        (
            BOX | {"poly": 1, "line_points": 2},
            [
                "geometry_several: it has bbox_2d and poly",
                "points_type: poly is 1, not a list",
                "line_points_unwanted: it has line_points and no line",
            ],
        ),
        ({"desc": "光纤", "line": [1, 2, 3, 4]}, ["line_points_missing: it has a line and no line_points"]),
        (LINE | {"line_points": 4}, ["line_points_wrong: line_points is 4, the line has 2 points"]),
        (LINE | {"line_points": 2.0}, ["line_points_wrong: line_points is 2.0, not an integer"]),
        (LINE | {"line_points": "2"}, ['line_points_wrong: line_points is "2", not an integer']),
        (LINE | {"line_points": True}, ["line_points_wrong: line_points is true, not an integer"]),
        (
            LINE | {"line_points": 3, "line": [1.5, 2, 3, 1001]},
            [
                "coordinate_type: x1 of line is 1.5, not an integer",
                "coordinate_range: y2 of line is 1001, outside 0..1000",
                "line_points_wrong: line_points is 3, the line has 2 points",
            ],
        ),
        (BOX | {"bbox_2d": {"x1": 1}}, ["points_type: bbox_2d is an object, not a list"]),
        (BOX | {"bbox_2d": "1,2,3,4"}, ['points_type: bbox_2d is "1,2,3,4", not a list']),
        (BOX | {"bbox_2d": [1, 2, 3]}, ["points_odd: bbox_2d has 3 values, the last x has no y"]),
        (BOX | {"bbox_2d": [[1, 2], 3, 4]}, ["points_mixed: bbox_2d has 1 lists among its 3 values"]),
        (BOX | {"bbox_2d": [[1, 2, 3, 4]]}, ["points_type: point 1 of bbox_2d has 4 values, not 2"]),
        (BOX | {"bbox_2d": []}, ["points_count: bbox_2d has 0 points, not exactly 2"]),
        (BOX | {"bbox_2d": [1, 2, 3, 4, 5, 6]}, ["points_count: bbox_2d has 3 points, not exactly 2"]),
        (BOX | {"bbox_2d": [60, 2, 20, 2]}, ["x1 60 is not less than x2 20", "y1 2 is not less than y2 2"]),
        ({"desc": "板", "poly": [0, 0, 9, 0, 9, 9]}, ["points_count: poly has 3 points, not at least 4"]),
        ({"desc": "线", "line_points": 1, "line": [[1, 2]]}, ["points_count: line has 1 points, not at least 2"]),
        (BOX | {"bbox_2d": [-1, 0, 5, 1001]}, ["x1 of bbox_2d is -1, outside", "y2 of bbox_2d is 1001, outside"]),
        (
            BOX | {"bbox_2d": [True, "2", None, 4.0]},
            [
                "x1 of bbox_2d is true, not",
                'y1 of bbox_2d is "2", not',
                "x2 of bbox_2d is null",
                "y2 of bbox_2d is 4.0",
            ],
        ),
        (BOX | {"bbox_2d": [float("nan"), 1, float("inf"), 2]}, ["x1 of bbox_2d is NaN", "x2 of bbox_2d is Infinity"]),
        (BOX | {"bbox_2d": [[1, [2]], [3, {}]]}, ["y1 of bbox_2d is a list", "y2 of bbox_2d is an object"]),
        (
            BOX | {"bbox_2d": [10**9, 0, -(10**4000), 1]},
            ["bbox_2d is 1000000000, outside", "bbox_2d is -1000"],
        ),
    ],
)
def test_every_rule_that_an_object_breaks_is_named(members: Any, expected: list[str]) -> None:
    found = of_one(members)
    assert len(found) == len(expected)
    for violation, words in zip(found, expected, strict=True):
        assert violation.startswith("object_1: ")
        assert words in violation


@pytest.mark.parametrize(
    "name",
    ["object_01", "object_１", "Object_1", "object_0", "object_-1", "object1", " object_1", "object_1\n", "", "x" * 99],
)
def test_a_wrong_name_is_named(name: str) -> None:
    (violation,) = violations(json.dumps({name: BOX, "object_2": BOX}))
    assert violation.endswith(": object_name: object_1 is due here")
    assert len(violation) < 100
    assert violation.isprintable()


def test_a_number_left_out_is_named_once() -> None:
    text = json.dumps({"object_1": BOX, "object_3": BOX, "object_4": BOX})
    assert violations(text) == ("object_3: object_number: object_2 is due here",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"object_1":%s,"object_1":%s}', "object_1: duplicate_key: the caption has this name already"),
        ('{"object_1":%s,"object_2":{"desc":"a",%s', 'object_2: duplicate_key: "desc" stands there more than once'),
    ],
)
def test_a_key_that_stands_twice_is_named(text: str, expected: str) -> None:
    box = json.dumps(BOX)
    assert violations(text % (box, box if text.endswith("%s}") else box[1:] + "}")) == (expected,)


def test_objects_out_of_order_are_named_with_the_one_before() -> None:
    line = {"desc": "线", "line_points": 3, "line": [70, 90, 10, 50, 10, 20]}
    text = json.dumps({"object_1": line, "object_2": BOX | {"bbox_2d": [9, 50, 99, 99]}, "object_3": BOX})
    assert violations(text) == (
        "object_2: order: its point (9, 50) comes before (10, 50) of object_1",
        "object_3: order: its point (1, 2) comes before (9, 50) of object_2",
    )


def test_objects_at_the_same_place_may_follow_each_other() -> None:
    assert len(parse_caption(json.dumps({"object_1": BOX, "object_2": LINE, "object_3": BOX})).objects) == 3


def test_minus_zero_is_the_integer_zero() -> None:
    caption = parse_caption('{"object_1":{"desc":"标签","bbox_2d":[-0,0,5,5]}}')
    assert caption.text() == '{"object_1":{"desc":"标签","bbox_2d":[0,0,5,5]}}'


def test_of_many_violations_the_first_are_listed_and_the_others_counted() -> None:
    found = of_one(BOX | {"bbox_2d": [0.5] * 10_000})
    assert len(found) == MOST_LISTED + 1
    assert found[-1] == f"and {10_000 + 1 - MOST_LISTED} more"


def test_the_error_can_be_sent_to_another_process() -> None:
    with pytest.raises(CaptionInvalid) as caught:
        parse_caption("{")
    assert pickle.loads(pickle.dumps(caught.value)).violations == caught.value.violations


def test_every_violation_has_a_name_of_its_own_and_can_be_met() -> None:
    texts = [
        "x",
        "[]",
        "```{}",
        "<|im_end|>{}x",
        '{"object_2":{"desc":"a","desc":"b","line":[1,2,3],"z":1},"b":1}',
        json.dumps({"object_1": BOX | {"desc": 1, "bbox_2d": [1, 1, 1, 1]}, "object_2": BOX | LINE, "object_3": {}}),
        *(json.dumps({"object_1": BOX | {"desc": desc}}) for desc in ("", " a", "a\nb", "a\x00", "\ufffd")),
        *(json.dumps({"object_1": {"desc": "a", "poly": poly}}) for poly in (1, [[1, 1], 1], [1, 1], [1.0, 1001])),
        json.dumps({"object_1": BOX | {"line_points": 1}, "object_2": LINE | {"line_points": 1}, "object_3": BOX}),
        json.dumps({"object_1": BOX | {"bbox_2d": [5, 5, 9, 9]}, "object_2": BOX}),
    ]
    met = {part for text in texts for violation in violations(text) for part in violation.split(": ")[:2]}
    met |= {violations("", "length")[0].split(": ")[0]}
    assert set(Violation) - met == set()
