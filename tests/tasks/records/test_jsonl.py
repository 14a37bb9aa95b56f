"""Tests of canonical JSONL: one spelling of a record, and strict reading with line numbers."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.errors import RecordError
from tasks.records.jsonl import canonical, parse, read_lines, to_line
from tasks.records.photos import Label
from tasks.records.stage_a import Latest, StageARecord
from tests.builders import examples, sha

LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12) | st.text(LINE_ENDS, min_size=1, max_size=3)
lines = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda text: bool(text.strip()) and len(text.splitlines()) == 1
)


@st.composite
def records(draw: st.DrawFn) -> StageARecord:
    """Any valid record, with the strangest names that may be published."""
    texts = draw(st.lists(lines, min_size=1, max_size=12))
    return StageARecord(
        group_id=draw(names),
        mission=draw(names),
        label=draw(st.sampled_from([None, *Label])),
        stage_a_complete=draw(st.booleans()),
        images=tuple(draw(st.lists(names, min_size=len(texts), max_size=len(texts)))),
        per_image={f"image_{index}": text for index, text in enumerate(texts, start=1)},
    )


@examples()
@given(st.lists(records(), max_size=5))
def test_what_is_written_is_what_is_read_and_written_again_the_same(written: list[StageARecord]) -> None:
    data = b"".join(to_line(record) for record in written)
    read = list(read_lines(StageARecord, io.BytesIO(data), "records.jsonl"))
    assert read == list(enumerate(written, start=1))
    assert b"".join(to_line(record) for _, record in read) == data


@examples()
@given(records())
def test_no_character_splits_a_line(record: StageARecord) -> None:
    text = to_line(record).decode("utf-8")
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1


@examples()
@given(records())
def test_the_six_keys_come_in_order(record: StageARecord) -> None:
    assert list(json.loads(to_line(record))) == [
        "group_id",
        "mission",
        "label",
        "stage_a_complete",
        "images",
        "per_image",
    ]


def test_the_spelling_is_fixed() -> None:
    assert canonical({"名": ["a\u2028b\u2029c\x85d", 1, 0.5, None, True]}) == (
        '{"名": ["a\\u2028b\\u2029c\\u0085d", 1, 0.5, null, true]}'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_does_not_have_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical([value])


LATEST = {"run_id": "r", "manifest": "m", "sha256": sha(""), "sequence": 1, "published_at": "now"}
GOOD = json.dumps(LATEST).encode()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"", "not JSON"),
        (b" ", "not JSON"),
        (b"\xff", "not UTF-8 at byte 0"),
        (GOOD[:-1], "not JSON"),
        (GOOD + b"{}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "record"),
        (b"null", "record"),
        (GOOD[:-1] + b', "run_id": "r"}', "key 'run_id' stands twice"),
        (GOOD[:-1] + b', "more": 1}', "more"),
        (GOOD.replace(b'"run_id": "r", ', b""), "run_id"),
        (GOOD.replace(b'"sequence": 1', b'"sequence": 0'), "sequence"),
        (GOOD.replace(b'"sequence": 1', b'"sequence": "one"'), "sequence"),
        (GOOD.replace(b'"run_id": "r"', b'"run_id": null'), "run_id"),
    ],
)
def test_a_line_that_is_no_record_is_refused_with_its_number(line: bytes, what: str) -> None:
    data = GOOD + b"\n" + line + b"\n" + GOOD + b"\n"
    reading = read_lines(Latest, io.BytesIO(data), "latest.jsonl")
    assert next(reading)[0] == 1
    with pytest.raises(RecordError, match=r"^latest\.jsonl, line 2: ") as caught:
        next(reading)
    assert what in str(caught.value)


def test_a_key_twice_in_a_nested_mapping_is_refused() -> None:
    with pytest.raises(RecordError, match="'a' stands twice"):
        parse(Latest, b'{"run_id": {"a": 1, "b": 2, "a": 3}}', "here")


@examples()
@given(st.integers(min_value=1, max_value=2 * len(GOOD) + 1))
def test_a_file_that_was_cut_anywhere_is_refused_unless_whole_lines_are_left(length: int) -> None:
    data = (GOOD + b"\n" + GOOD + b"\n")[:length]
    whole = data.endswith(b"\n")
    if whole:
        assert len(list(read_lines(Latest, io.BytesIO(data), "latest.jsonl"))) == 1
        return
    last = 1 if length <= len(GOOD) else 2
    with pytest.raises(RecordError, match=rf"latest\.jsonl, line {last}: the line end is missing"):
        list(read_lines(Latest, io.BytesIO(data), "latest.jsonl"))
