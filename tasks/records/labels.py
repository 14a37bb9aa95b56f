"""What was said of tickets by those who know: the right verdict. Evaluation and calibration alone read it.

A contract keeps whatever judges from importing this module: a verdict that saw its label would be worth nothing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.records.base import Record
from tasks.records.verdicts import Verdict


class TicketLabel(Record):
    """One line of `labels.jsonl`: the right verdict of a ticket, where it comes from, by whom and when, if known."""

    ticket_id: str = Field(min_length=1)
    label: Verdict
    source: Literal["folder", "review", "import"]
    by: str | None = None
    at: str | None = None
