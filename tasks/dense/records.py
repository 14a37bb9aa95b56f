"""What a run of dense captions writes: outcomes, captions, what was rejected, the manifest. Knows no step.

Field order is the order of the keys in the files.
"""

from __future__ import annotations

from typing import Any, Literal

from tasks.dense.caption import Caption
from tasks.dense.geometry import to_pixels
from tasks.records.base import FileEntry, Record, ScaledBy, Sha256
from tasks.records.outcomes import Answered
from tasks.records.reasons import Reason

Objects = dict[str, dict[str, Any]]


class Captioned(Answered):
    """One captioned photo.

    `objects` is None when the answer broke the rules; `violations` then says which.
    """

    objects: Objects | None


class CaptionRecord(Record):
    """One line of `captions.jsonl`: one photo.

    `image` is its key under the input root; `width` and `height` are of the upright photo in pixels. `objects` is the
    dense caption, in norm1000, as training data has it; `pixels` has every object's points in pixels of the upright
    photo, flat, to a tenth of a pixel.
    """

    image: str
    width: int
    height: int
    objects: Objects
    pixels: dict[str, tuple[float, ...]]


class RejectedRecord(Record):
    """One line of `rejected.jsonl`: a photo without a caption, and why."""

    image: str
    reason: Reason
    detail: str
    text: str | None = None
    violations: tuple[str, ...] = ()


class CaptionProvenance(Record):
    """One line of `provenance.jsonl`: one photo that the model saw."""

    image: str
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
    engine: str
    work_key: Sha256


class CaptionCounts(Record):
    """What a run did; every photo is either captioned or rejected."""

    photos: int
    captioned: int
    rejected: int
    objects: int


class CaptionManifest(Record):
    """`manifest.json` of a run of dense captions, written last. Nothing in it depends on when, where or how fast the
    run was. Overlays are pictures of what is in the captions, and are not in it."""

    schema_version: Literal[1] = 1
    run_id: str
    name: str
    checkpoint: Sha256
    adapters: tuple[Sha256, ...]
    prompt: Sha256
    settings: dict[str, object]
    versions: dict[str, str]
    counts: CaptionCounts
    files: tuple[FileEntry, ...]


def pixels_of(caption: Caption, width: int, height: int) -> dict[str, tuple[float, ...]]:
    """Every object's points in pixels of the upright photo, flat: x1, y1, x2, y2, ..., to a tenth of a pixel."""
    return {
        f"object_{number}": tuple(
            round(value, 1) for point in to_pixels(item.geometry.points, width, height) for value in point
        )
        for number, item in enumerate(caption.objects, start=1)
    }
