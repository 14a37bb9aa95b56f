"""What Stage-B reads and writes: tickets and its manifest. Knows no step."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import Field, field_validator

from tasks.records.base import FileEntry, Record, Sha256
from tasks.records.jsonl import to_line
from tasks.records.photos import Label


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
    """Stage-B's `manifest.json`, written last. `source` is the key of Stage-A's manifest under its store.

    Its run id is that of the source, so that what it says itself has a digest of its own: `self_sha256`, of the
    manifest's bytes with that field empty.
    """

    schema_version: Literal[2] = 2
    run_id: str
    mission: str
    source: str
    source_sha256: Sha256
    tickets: int = Field(ge=0)
    files: tuple[FileEntry, ...]
    self_sha256: str = ""

    @field_validator("schema_version", mode="before")
    @classmethod
    def _tell_of_earlier_releases(cls, value: object) -> object:
        if value == 1:
            raise ValueError("these tickets are an earlier release's: run stage-b on their source again")
        return value

    def sealed(self) -> StageBManifest:
        """The same manifest with the digest of what it says."""
        bare = to_line(self.model_copy(update={"self_sha256": ""}))
        return self.model_copy(update={"self_sha256": hashlib.sha256(bare).hexdigest()})
