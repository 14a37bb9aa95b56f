"""What Stage-A writes: the published record, provenance, quarantine, manifest, pointer. Knows no step.

Field order is the order of the keys in the files.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from tasks.records.base import FileEntry, Record, ScaledBy, Sha256
from tasks.records.photos import Label
from tasks.records.reasons import Reason

SCHEMA_VERSION: Literal[1] = 1


class StageARecord(Record):
    """One line of `<mission>_stage_a.jsonl`: one group. Exactly these six keys, in this order."""

    group_id: str = Field(min_length=1)
    mission: str = Field(min_length=1)
    label: Label | None
    stage_a_complete: bool
    images: tuple[str, ...] = Field(min_length=1)
    per_image: dict[str, str]

    @model_validator(mode="after")
    def _keys_match_images(self) -> StageARecord:
        expected = [f"image_{index}" for index in range(1, len(self.images) + 1)]
        if list(self.per_image) != expected:
            raise ValueError(f"per_image must have the keys image_1..image_{len(self.images)} in order")
        return self

    @field_validator("per_image")
    @classmethod
    def _one_line_each(cls, value: dict[str, str]) -> dict[str, str]:
        for key, text in value.items():
            if not text.strip() or len(text.splitlines()) != 1:
                raise ValueError(f"{key} must be one non-empty line")
        return value


class Provenance(Record):
    """One line of `provenance.jsonl`: one published photo."""

    group_id: str
    label: Label | None
    image: str
    name: str
    key: str
    sha256: Sha256
    size: int
    width: int
    height: int
    shown_width: int
    shown_height: int
    scaled_by: ScaledBy | None
    visual_tokens: int
    prompt_tokens: int
    completion_tokens: int
    finish_reason: Literal["stop", "length"]
    attempts: int
    engine: str
    work_key: Sha256


class QuarantineEntry(Record):
    """One line of `quarantine.jsonl`: a group or a photo that did not make it, and why.

    `key` is the photo's or the group's folder's key under the input root; `image` is None for a group. `text` and
    `violations` are the model's last answer and what is wrong with it.
    """

    kind: Literal["group", "photo"]
    mission: str
    group_id: str
    label: Label | None
    image: str | None = None
    key: str | None = None
    reason: Reason
    detail: str
    text: str | None = None
    violations: tuple[str, ...] = ()


class Counts(Record):
    """What a run did. Photos are counted once a group; `unique_photos` once per work key. `groups_partial` of the
    published groups go without photos that are in quarantine."""

    groups: int
    groups_published: int
    groups_partial: int
    groups_quarantined: int
    photos: int
    photos_published: int
    photos_quarantined: int
    unique_photos: int


class RunManifest(Record):
    """`manifest.json`, written last: the run is published when it is there.

    Nothing in it depends on when, where or how fast the run was, so that the same inputs and the same settings give
    the same bytes.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    run_id: str
    mission: str
    no_mission: bool
    checkpoint: Sha256
    adapters: tuple[Sha256, ...]
    prompt: Sha256
    settings: dict[str, object]
    versions: dict[str, str]
    counts: Counts
    files: tuple[FileEntry, ...]

    def file(self, name: str) -> FileEntry:
        """The entry of one file. Raises KeyError."""
        for entry in self.files:
            if entry.name == name:
                return entry
        raise KeyError(name)


class Latest(Record):
    """`latest.json` of a mission: the newest published run. `manifest` is a key under the store's root."""

    run_id: str
    manifest: str
    sha256: Sha256
    sequence: int = Field(ge=1)
    published_at: str
