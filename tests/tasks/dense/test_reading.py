"""Tests of reading JSON as a model writes it: what is no JSON, what stands around it, what was cut, what is hostile."""

from __future__ import annotations

import json

import pytest

from tests.hangs import no_hang
from tests.tasks.dense.refusals import violations

BOX = {"desc": "标签", "bbox_2d": [1, 2, 3, 4]}
LINE = {"desc": "光纤/有保护", "line_points": 2, "line": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'not_json: no JSON object in ""'),
        ("没有物体", 'not_json: no JSON object in "没有物体"'),
        ("[1, 2", 'not_json: no JSON object in "[1, 2"'),
        ('{"object_1": ', "not_json: Expecting value at the end, after 13 of 13 characters"),
        (
            "{'object_1': 1}",
            "not_json: Expecting property name enclosed in double quotes "
            "at \"'object_1': 1}\", after 1 of 15 characters",
        ),
        ('{"a":' * 100_000, "not_json: nested too deeply"),
        ("[" * 100_000 + "{}", 'text_around: "' + "[" * 40 + '..." before the JSON object'),
        ("[]", "not_an_object: the answer is a list"),
        ('[{"object_1": 1}]', "not_an_object: the answer is a list"),
        ("null", "not_an_object: the answer is null"),
        ("true", "not_an_object: the answer is true"),
        ("-12", "not_an_object: the answer is -12"),
        ("1e400", "not_an_object: the answer is 1e400"),
        ("-Infinity", "not_an_object: the answer is -Infinity"),
        ("9" * 100_000, f"not_an_object: the answer is {'9' * 40}..."),
        ('"{}"', 'not_an_object: the answer is "{}"'),
        ("\ufeff{}", 'text_around: "\\ufeff" before the JSON object'),
        ("\u00a0{}", 'text_around: "\\xa0" before the JSON object'),
        ("{}。", 'text_around: "。" after the JSON object'),
        ("{}{}", 'text_around: "{}" after the JSON object'),
        ("{}<|im_end|>", 'special_token: "<|im_end|>" after the JSON object'),
        ("{} \x00", 'text_around: "\\x00" after the JSON object'),
        ("{}" + "\n好" * 100, 'text_around: "' + "好\\n" * 20 + '..." after the JSON object'),
    ],
)
def test_what_is_no_json_object_is_named(text: str, expected: str) -> None:
    assert violations(text) == (expected,)


def test_what_is_around_the_object_does_not_hide_what_is_within() -> None:
    assert violations('</think>\n```json\n{"object_2": {}}\n```') == (
        'code_fence: "</think>\\n```json" before the JSON object',
        'special_token: "</think>\\n```json" before the JSON object',
        'code_fence: "```" after the JSON object',
        "object_2: object_number: object_1 is due here",
        "object_2: desc_missing: it has no desc",
        "object_2: geometry_missing: it has none of bbox_2d, poly, line",
    )


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("", 0),
        ("{}", 0),
        ('{"object_1": {"desc": "}{", "line": [[1, 2], [', 0),
        ('{"object_1": {"desc": "\\"}", "line": [[1, 2]]}', 1),
        (json.dumps({"object_1": BOX, "object_2": LINE}), 2),
        (json.dumps({"object_1": BOX, "object_2": LINE})[:-2], 1),
        ('{"object_1": {}, "\\', 1),
    ],
)
def test_an_answer_that_the_token_limit_ended_has_this_one_violation(text: str, whole: int) -> None:
    assert violations(text, "length") == (f"length: the token limit ended the answer after {whole} whole objects",)


@pytest.mark.parametrize(
    "text",
    [
        "{" * 200_000,
        '{"' * 200_000,
        '{"a":[' * 200_000,
        '"\\"' * 200_000,
        "<|" * 200_000,
        "`" * 200_000,
        '{"object_1":' + "9" * 400_000,
        '{"object_1":"' + "\\" * 400_001,
        "{" + ",".join(f'"object_{number}":{{}}' for number in range(40_000)) + "}",
        '{"object_1":{"desc":"a","poly":[' + "1.0," * 100_000 + "1]}}",
        "{}" + " " * 400_000 + "x",
    ],
    ids=["braces", "keys", "nested", "quotes", "tokens", "ticks", "digits", "escapes", "objects", "floats", "spaces"],
)
@pytest.mark.parametrize("finish_reason", ["stop", "length"])
def test_a_hostile_text_is_read_in_linear_time(text: str, finish_reason: str) -> None:
    with no_hang():
        found = violations(text, finish_reason)
    assert sum(map(len, found)) < 20_000
    assert all(violation.isprintable() for violation in found)
