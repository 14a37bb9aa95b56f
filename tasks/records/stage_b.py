"""What Stage-B reads: tickets without a label, and the manifest of a run that made them. Knows no step.

Labels are in `tasks.records.labels`, which nothing that judges may import.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import Field, field_validator, model_validator

from tasks.records.base import FileEntry, Record, Sha256
from tasks.records.jsonl import canonical
from tasks.records.reasons import Reason


class TicketPhoto(Record):
    """A photo of a ticket: the sha256 of its bytes, and the work key of its summary."""

    sha256: Sha256
    work_key: Sha256


class Ticket(Record):
    """One line of `tickets.jsonl`: one group as it is judged, without a label. A resubmission is a ticket of its own.

    `ticket_id` is `<group_id>#<k>`, the k-th submission of the group by first sight: it stays what it is when a label
    or another submission arrives. `summaries` has the keys `image_1..image_n`; `images` (names) and `photos` are in
    the same order. `missing` are the reasons of photos that Stage-A left out of a group that it published all the same.
    """

    ticket_id: str = Field(pattern=r"^.+#[1-9][0-9]*$")
    group_id: str = Field(min_length=1)
    mission: str = Field(min_length=1)
    stage_a_complete: bool
    images: tuple[str, ...] = Field(min_length=1)
    photos: tuple[TicketPhoto, ...]
    summaries: dict[str, str]
    missing: tuple[Reason, ...] = ()

    @model_validator(mode="after")
    def _one_of_each(self) -> Ticket:
        expected = [f"image_{index}" for index in range(1, len(self.images) + 1)]
        if list(self.summaries) != expected or len(self.photos) != len(self.images):
            raise ValueError(f"there are {len(self.images)} images: summaries and photos must be as many, in order")
        return self

    @property
    def answer_key(self) -> str:
        """sha256 (64 hex digits) of mission, group and photos: what a person's answer is for."""
        return answer_key(self.mission, self.group_id, [photo.sha256 for photo in self.photos])


class Unjudged(Record):
    """One line of `unjudged.jsonl`: a group that Stage-A quarantined. It has no ticket and waits for a person."""

    group_id: str
    reason: Reason


class StageBManifest(Record):
    """`manifest.json` of a run that made tickets, written last. `source` is the key of Stage-A's manifest under its
    store. `unjudged` groups have no ticket.

    Its run id is that of the source, so that what it says itself has a digest of its own: `self_sha256`, of the
    manifest's bytes with that field empty.
    """

    schema_version: Literal[3] = 3
    run_id: str
    mission: str
    source: str
    source_sha256: Sha256
    tickets: int = Field(ge=0)
    unjudged: int = Field(ge=0)
    files: tuple[FileEntry, ...]
    self_sha256: str = ""

    @field_validator("schema_version", mode="before")
    @classmethod
    def _tell_of_earlier_releases(cls, value: object) -> object:
        if value in (1, 2):
            raise ValueError("these tickets are an earlier release's: run stage-b on their source again")
        return value


def answer_key(mission: str, group_id: str, photos: list[str]) -> str:
    """sha256 (64 hex digits) of a mission, a group and the sha256s of its photos, in whatever order they come."""
    return hashlib.sha256(canonical([mission, group_id, sorted(photos)]).encode()).hexdigest()
