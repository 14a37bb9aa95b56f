"""The history of a mission's runs: kept in order, at most a month of it, and drawn."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tasks.reports.history import KEPT, RunFigures, draw_history, history_markdown, history_rows, read_history
from tests.builders import examples

BEGAN = datetime(2026, 11, 1, 1, 0, tzinfo=UTC)


def run(night: int, **changes: object) -> RunFigures:
    """The run of one night."""
    told = {"ended": BEGAN + timedelta(days=night), "run": f"night {night}", "photos": 100, "inferred": 40}
    told |= {
        "reused": 60,
        "retried": 2,
        "photos_per_second": 8.5,
        "groups": 20,
        "groups_quarantined": 3,
        "seconds": 9.0,
    }
    return RunFigures.model_validate(told | changes)


@given(st.lists(st.integers(0, 400), unique=True))
@examples()
def test_the_newest_runs_are_kept_and_read_back(nights: list[int]) -> None:
    runs = [run(night) for night in nights]
    expected = sorted(runs, key=lambda one: one.ended)[-KEPT:]
    assert read_history(history_rows(runs)) == expected


def test_a_row_of_another_release_is_left_out() -> None:
    rows = history_rows([run(1), run(2)])
    assert read_history([{**rows[0], "new": 1}, rows[1], {"run": "x"}]) == [run(1)]


def test_the_share_of_quarantine_of_nothing_is_nothing() -> None:
    assert run(1).quarantined_share == 0.15
    assert run(1, groups=0, groups_quarantined=0).quarantined_share == 0.0


def test_a_run_more_is_another_picture() -> None:
    pictures = [draw_history([run(night) for night in range(nights)]) for nights in (1, 2, KEPT)]
    assert len({Image.open(io.BytesIO(picture)).tobytes() for picture in pictures}) == 3


def test_the_page_has_the_picture_and_the_last_run() -> None:
    page = history_markdown("挡风板安装检查", [run(2, inferred=41), run(1)])
    assert "the last 2 runs" in page
    assert "(data:image/png;base64," in page
    assert "41 inferred at 8.5 a second" in page
    assert "15.0% of 20 groups" in page
