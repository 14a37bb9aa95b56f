"""Tests of what a person reads of a run."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from blocks.local_store import LocalStore
from tasks.records.photos import on_one_line
from tasks.records.reasons import Reason
from tasks.records.stage_a import QuarantineEntry, StageARecord
from tasks.runs.report import code, quarantine_rows, reasons, run_markdown, throughput
from tasks.runs.shards import Receipt
from tests.builders import MISSION, published_run

RECEIPT = Receipt(
    "key", "0" * 64, items=10, inferred=9, bad=1, retried=2, visual_tokens=6, completion_tokens=9, seconds=3
)


def entry(kind: str = "photo", reason: Reason = Reason.EMPTY_FILE, group_id: str = "QC-1") -> QuarantineEntry:
    """A line of a quarantine."""
    values = {"kind": kind, "mission": MISSION, "group_id": group_id, "label": None, "reason": reason, "detail": "x"}
    return QuarantineEntry.model_validate({**values, "key": f"{MISSION}/{group_id}"})


def page(
    store: LocalStore, samples: tuple[StageARecord, ...] = (), quarantine: tuple[QuarantineEntry, ...] = ()
) -> str:
    """The page of the usual run, of which 9 photos were inferred and 5 taken over."""
    return run_markdown(published_run(store), [RECEIPT], 5, iter(quarantine), samples, 0.975, 12.3)


def test_throughput_is_of_the_photos_that_the_model_saw() -> None:
    assert throughput([RECEIPT, replace(RECEIPT, inferred=1, seconds=2)]) == (10, 2.0)
    assert throughput([]) == (0, 0.0)


def test_the_page_counts_what_was_inferred_and_what_was_taken_over(store: LocalStore) -> None:
    text = page(store)
    for row in (
        "| Groups published | 3 of 4 |",
        "| Inferred in this run | 9 (3.0 a second) |",
        "| Taken over from earlier runs | 5 |",
        "| Retried | 2 |",
        "| Exact summaries | 97.50% |",
        "Nothing was quarantined.",
    ):
        assert row in text


def test_the_page_tells_what_the_input_lost(store: LocalStore) -> None:
    published = published_run(store)
    notes = ("photos that lie in no group: 1, such as a|b.jpg",)
    assert "## Input\n\n- photos that lie in no group\\: 1\\, such as a\\|b\\.jpg\n" in run_markdown(
        published, [RECEIPT], 5, iter(()), (), None, 1.0, notes
    )
    assert "## Input" not in run_markdown(published, [RECEIPT], 5, iter(()), (), None, 1.0)


def test_quarantine_is_counted_by_reason_with_the_first_place() -> None:
    entries = [entry(), entry(group_id="QC-2"), entry("group", Reason.PHOTO_REJECTED)]
    assert reasons(iter(entries)) == [
        {"kind": "photo", "reason": "empty_file", "count": "2", "first": f"{MISSION}/QC-1"},
        {"kind": "group", "reason": "photo_rejected", "count": "1", "first": f"{MISSION}/QC-1"},
    ]
    assert len(quarantine_rows(iter(entries), most=2)) == 2


@pytest.mark.parametrize(
    "name",
    [
        "[a](http://x).jpg",
        "![b](http://x).jpg",
        "a|b.jpg",
        "<b>.jpg",
        "a\n| x | y |\n.jpg",
        "`c`.jpg",
        "http://x.jpg",
        "\x1b[31m",
        "www.evil.example",
        "a@evil.example",
        "- a",
        "a\u202eb",
    ],
)
def test_a_name_from_the_field_stays_a_name(store: LocalStore, name: str) -> None:
    record = StageARecord(
        group_id="QC-1",
        mission=MISSION,
        label=None,
        stage_a_complete=True,
        images=(name,),
        per_image={"image_1": "BBU设备×1"},
    )
    text = page(store, (record,), (entry(group_id=name),))
    row = text.splitlines()[-1]
    assert text.count("\n| QC\\-1 |") == 1
    shown = re.sub(r"\\(.)", r"\1", row).removeprefix("| QC-1 | ").removesuffix(" | BBU设备×1 |")
    assert shown == name.replace("\n", "\\n").replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    # CommonMark, 2.4: punctuation behind a backslash is no markup.
    bare = re.sub(r"\\.", "", row)
    assert not set("[]<>`*_!:.@\x1b\u202e") & set(bare)
    assert bare.count("|") == 4


@pytest.mark.parametrize("text", ["[a](http://x)", "www.x.com", "<img src=x>", "a|b", "\x1b]0;x\x07", "a\nb"])
def test_no_cell_of_a_table_is_markup(text: str) -> None:
    (row,) = quarantine_rows([entry(group_id=text).model_copy(update={"image": text, "detail": text, "text": text})])
    for name in ("group", "photo", "detail", "last text"):
        assert re.sub(r"\\([!-/:-@[-`{-~])", r"\1", row[name]) == on_one_line(text)
        assert not set("[]<>|.\x1b\n") & set(re.sub(r"\\.", "", row[name]))


def test_a_place_in_a_code_span_ends_neither_the_span_nor_the_cell() -> None:
    assert code("/a`b|c\x1b\n") == "`/a\\x60b\\x7cc\\x1b\\n`"
