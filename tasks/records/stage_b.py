"""What Stage-B reads and writes: tickets and its manifest. Knows no step."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.records.photos import Label
from tasks.records.stage_a import FileEntry, Record, Sha256


class Ticket(Record):
    """One line of `tickets.jsonl`: one group to judge. A resubmission is a ticket of its own.

    `label_source` says where the label came from: the folder of the photos, or nowhere.
    """

    ticket_id: str
    group_id: str
    mission: str
    label: Label | None
    label_source: Literal["folder", "none"]
    stage_a_complete: bool
    images: tuple[str, ...]
    summaries: dict[str, str]
    line: int = Field(ge=1)


class StageBManifest(Record):
    """Stage-B's `manifest.json`, written last. `source` is the key of Stage-A's manifest under its store."""

    schema_version: Literal[1] = 1
    run_id: str
    mission: str
    source: str
    source_sha256: Sha256
    tickets: int = Field(ge=0)
    files: tuple[FileEntry, ...]
