"""Captions as a model gets them wrong, for hypothesis: valid ones after accidents. Knows no parser."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tasks.dense.caption import KINDS
from tests.tasks.dense.strategies import captions

Draw = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Raw:
    """A value that is written as it stands here."""

    text: str


Members = list[tuple[str, Any]]
"""A JSON object whose keys may stand twice, in any order."""

ODD_NUMBERS = [-1, 0, 1, 999, 1000, 1001, 3.0, 0.5, True, False, None, "7", "", [], [1], [[1, 2]], {}] + [
    Raw(text)
    for text in ("-0", "00", "1e2", "1e400", "-1E-400", "NaN", "-Infinity", "9" * 5000, "0x1F", "1_0", "+1", "１", ".5")
]
ODD_KEYS = [
    *("object_0", "object_1", "object_2", "object_9", "object_10", "object_01", "object_１", "Object_1", "object"),
    *(
        "object_1\n",
        "object_2 ",
        "desc",
        "bbox_2d",
        "poly",
        "line",
        "line_points",
        "label",
        "",
        " desc",
        "\ud800",
        "bbox",
    ),
]
UNPRINTABLE = ["a\nb", "a\u2028", "\x00", "\x7f", "\ud800", "\u3000", "a\u3000b", "a\u00a0b", "\ufeff"]
ODD_DESCS = [
    *("", " ", " a", "a ", *UNPRINTABLE, "<|im_end|>", "a<|b|c|>", "<||>", "<|a>b|>", "</box>", "<ref>a", "<box >"),
    *("a×2", "{}", "\"'\\", "𠀀", None, 5, ["a"], {}),
]
AROUND = [
    *("```json\n", "\n```", "```", "结果：", "\ufeff", " ", "\n", "\u00a0"),
    *("<|im_end|>", "</think>", "{}", "}", "//x", ","),
]


def is_members(value: Any) -> bool:
    """Whether a value is an object with a member at least."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, tuple) for item in value)


def written(value: Any, wide: bool) -> str:
    """JSON, with repeated keys and raw text as they are; `wide` puts spaces in and escapes Chinese."""
    if isinstance(value, Raw):
        return value.text
    space = " " if wide else ""
    if is_members(value):
        inner = (f"{json.dumps(key, ensure_ascii=wide)}:{space}{written(item, wide)}" for key, item in value)
        return "{" + f",{space}".join(inner) + "}"
    if isinstance(value, list):
        return "[" + f",{space}".join(written(item, wide) for item in value) + "]"
    return json.dumps(value, ensure_ascii=wide)


def harm_members(draw: Draw, members: Members, odd: list[Any]) -> None:
    """Rename, repeat, drop, move or add a member, in place."""
    place = draw(st.integers(0, max(0, len(members) - 1)))
    how = draw(st.sampled_from(["rename", "repeat", "drop", "move", "add"]))
    if how == "add" or not members:
        members.insert(place, (draw(st.sampled_from(ODD_KEYS)), draw(st.sampled_from(odd))))
    elif how == "rename":
        members[place] = (draw(st.sampled_from(ODD_KEYS)), members[place][1])
    elif how == "repeat":
        members.append(members[place])
    elif how == "drop":
        del members[place]
    else:
        members.append(members.pop(place))


def harm_points(draw: Draw, points: list[Any]) -> Any:
    """A list of coordinates after an accident, or the same points in pairs."""
    points = list(points)
    how = draw(st.sampled_from(["pair", "pair", "number", "number", "drop", "add", "swap", "mix", "other"]))
    place = draw(st.integers(0, max(0, len(points) - 1)))
    if how == "pair":
        return [list(points[start : start + 2]) for start in range(0, len(points), 2)]
    if how == "number" and points:
        points[place] = draw(st.sampled_from(ODD_NUMBERS) | st.integers(-5, 1005))
    elif how == "drop":
        del points[place : place + draw(st.integers(1, 3))]
    elif how == "swap":
        points.reverse()
    elif how == "mix" and points:
        points[place : place + 2] = [points[place : place + 2]]
    elif how == "other":
        return draw(st.sampled_from(ODD_NUMBERS))
    else:
        points += draw(st.lists(st.integers(0, 1000), max_size=3))
    return points


def harm_object(draw: Draw, members: Members) -> Any:
    """An object after an accident."""
    keys = [key for key, _ in members]
    hows = ["points", "points", "desc", "kind", "members", "wrap", "free"]
    how = draw(st.sampled_from(["count"] * 3 * ("line_points" in keys) + hows))
    if how == "members":
        harm_members(draw, members, ODD_NUMBERS)
    for place, (key, value) in enumerate(members):
        if how == "points" and key in KINDS and isinstance(value, list):
            members[place] = key, harm_points(draw, value)
        elif how == "desc" and key == "desc":
            members[place] = key, draw(st.sampled_from(ODD_DESCS))
        elif how == "count" and key == "line_points":
            members[place] = key, draw(st.integers(0, 6) | st.sampled_from(ODD_NUMBERS))
        elif how == "kind" and key in KINDS:
            members[place] = draw(st.sampled_from(KINDS)), value
    return {"free": draw(st.permutations(members)), "wrap": [members]}.get(how, members)


def harm_caption(draw: Draw, caption: Members) -> None:
    """An accident to one object or to its place among the others, in place."""
    whole = [place for place, (_, value) in enumerate(caption) if is_members(value)]
    how = draw(st.sampled_from(["object"] * 4 + ["swap", "names"])) if whole else "names"
    if how == "object":
        place = draw(st.sampled_from(whole))
        caption[place] = caption[place][0], harm_object(draw, list(caption[place][1]))
    elif how == "swap":  # the names stay where they are
        one, other = draw(st.sampled_from(whole)), draw(st.sampled_from(whole))
        bodies = caption[one][1], caption[other][1]
        caption[other], caption[one] = (caption[other][0], bodies[0]), (caption[one][0], bodies[1])
    else:
        harm_members(draw, caption, [{}, None, 5, [("desc", "a"), ("bbox_2d", [0, 0, 1000, 1000])]])


def harm_text(draw: Draw, text: str) -> str:
    """A text after an accident."""
    place, end = sorted(draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    noise = draw(st.sampled_from(AROUND) | st.text(max_size=3) | st.sampled_from(list('{}[]",:0-.\\')))
    how = draw(st.sampled_from(["cut", "flip", "insert", "copy", "drop", "before", "after", "both", "nest", "quotes"]))
    return {
        "cut": text[:place],
        "flip": text[:place] + noise + text[place + len(noise) :],
        "insert": text[:place] + noise + text[place:],
        "copy": text[:end] + text[place:],
        "drop": text[:place] + text[end:],
        "before": noise + text,
        "after": text + noise,
        "both": noise + text + noise,
        "nest": '{"object_1":' * draw(st.sampled_from([1, 2, 300, 5000])) + text,
        "quotes": text.replace('"', "'"),
    }[how]


@st.composite
def malformed(draw: Draw) -> str:
    """A valid caption's JSON after up to three accidents in its structure and up to two in its text."""
    caption: list[Any] = [(name, list(members.items())) for name, members in draw(captions).as_json().items()]
    for _ in range(draw(st.integers(0, 3))):
        harm_caption(draw, caption)
    text = written(caption, draw(st.booleans())) if caption else "{}"
    for _ in range(max(0, draw(st.integers(-4, 2)))):
        text = harm_text(draw, text)
    return text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(ODD_DESCS[:-4]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(ODD_KEYS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)

PIECES = [
    *"{}[],:",
    *('"object_1":', '"object_2":', '{"desc":"a","bbox_2d":[0,0,9,9]}', '"desc":"a"', '"bbox_2d":', '"line":'),
    *('"poly":', '"line_points":2', '"line_points":', "[1,2,3,4]", "[[1,2],[3,4]]", "[1,2,3,4,5,6,7,8]", "1", "2.5"),
    *("NaN", '"', "\\u", " ", "\n", "null", "true", '"\\ud83d\\ude00"', '{"object_1":', '{"desc":"a",'),
    *('"line":[1,2,3,4]}', "}}"),
]
soups = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
