"""What Stage-A writes: the published record, provenance, quarantine, manifest, pointer. Knows no step.

Field order is the order of the keys in the files.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from tasks.records.photos import Label
from tasks.records.reasons import Reason

SCHEMA_VERSION: Literal[1] = 1

ScaledBy = Literal["max_pixels", "max_model_len", "server"]
"""The setting that a photo was scaled down for; or an endpoint's server, which scaled it anew to what only it knows."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """Base of all records: frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class Answered(Record):
    """What is known of one photo that a model answered for, identified by `work_key`.

    `width` and `height` are of the upright photo in pixels, `shown_width` and `shown_height` of what the model saw of
    it; `scaled_by` names the setting that the photo was too large for, if there is one.
    """

    work_key: Sha256
    sha256: Sha256
    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int = Field(ge=0)
    visual_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    shown_width: int = Field(ge=1)
    shown_height: int = Field(ge=1)
    scaled_by: ScaledBy | None
    engine: str
    violations: tuple[str, ...] = ()


class Summarised(Answered):
    """One summarised photo, whatever group it is in; a line of a shard."""

    attempts: int = Field(ge=1)
    reason: Reason | None = None
    detail: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the photo has a summary that may be published."""
        return self.reason is None


READER: int = 2
"""Counts up whenever more photos can be read: an older failure then says nothing. 2: WebP, HEIC, AVIF, and JPEG without
its end."""


class Failed(Record):
    """A photo that could not be read, or for which the engine gave no answer; a line of a shard. `reader` is the
    `READER` of whoever tried."""

    work_key: Sha256
    sha256: Sha256
    reason: Reason
    detail: str
    reader: int = 1

    @property
    def ok(self) -> bool:
        """Never: there is nothing to publish."""
        return False


class ShardIndex(Record):
    """What a shard object holds: its name, the sha256 of its bytes, its epoch, and the work in it that lasts."""

    shard: Sha256
    sha256: Sha256
    epoch: int = Field(ge=0)
    work_keys: tuple[Sha256, ...] = Field(min_length=1)


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


class FileEntry(Record):
    """A file of a published run, named relative to the manifest."""

    name: str
    sha256: Sha256
    size: int = Field(ge=0)
    records: int = Field(ge=0)


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
