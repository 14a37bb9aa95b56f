"""Publish a run of dense captions: its files and pictures first, its manifest last. Knows no engine and no Prefect.

The run's id is made from the manifest's content, as in Stage-A: the same photos, checkpoint, prompt and settings are
the same run in the same place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from blocks.store import Store
from tasks.dense.infer import Seen, read_outcome
from tasks.dense.keys import CAPTIONS, REJECTED, caption_run_folder
from tasks.dense.parse import parse_caption
from tasks.dense.records import (
    CaptionCounts,
    Captioned,
    CaptionManifest,
    CaptionProvenance,
    CaptionRecord,
    RejectedRecord,
    pixels_of,
)
from tasks.records.jsonl import to_line
from tasks.records.photos import printable
from tasks.records.reasons import Reason
from tasks.records.work import Identity
from tasks.runs.files import JsonlWriter, LocalFile
from tasks.runs.keys import MANIFEST, PROVENANCE
from tasks.runs.publish import is_there, versions

Draw = Callable[[str, Seen, Captioned], None]
"""Draws a captioned photo's overlay into the run of that id."""


@dataclass(frozen=True, slots=True)
class PublishedCaptions:
    """A published run of dense captions. `fresh` is False if the very same run was in the store already."""

    uri: str
    sha256: str
    manifest: CaptionManifest
    fresh: bool


def publish_captions(
    store: Store, name: str, identity: Identity, seen: Sequence[Seen], draw: Draw | None = None
) -> PublishedCaptions:
    """Write the run's files and, with `draw`, an overlay of each captioned photo; then its manifest.

    Raises ObjectMissing or RecordError when a caption is gone or damaged since it was written, or StoreError; then no
    manifest is there.
    """
    files, counts = _write_files(store, name, seen)
    manifest = CaptionManifest(
        run_id="",
        name=name,
        checkpoint=identity.checkpoint,
        adapters=identity.adapters,
        prompt=identity.prompt,
        settings=identity.settings,
        versions=versions(),
        counts=counts,
        files=tuple(file.entry for file in files),
    )
    run_id = derive_caption_run_id(manifest)
    manifest = manifest.model_copy(update={"run_id": run_id})
    folder, data = caption_run_folder(name, run_id), to_line(manifest)
    put = [file.put(store, folder) for file in files]
    for one in seen if draw is not None else ():
        outcome = None if one.error else read_outcome(store, name, one.work_key)
        if draw is not None and outcome is not None and outcome.objects is not None:
            draw(run_id, one, outcome)
    key = f"{folder}/{MANIFEST}"
    fresh = any(put) or not is_there(store, key, data)
    if fresh:
        store.write(key, data)
    return PublishedCaptions(store.uri_of(key), hashlib.sha256(data).hexdigest(), manifest, fresh)


def derive_caption_run_id(manifest: CaptionManifest) -> str:
    """The first 16 hex digits of the sha256 of the manifest with an empty run id."""
    return hashlib.sha256(to_line(manifest.model_copy(update={"run_id": ""}))).hexdigest()[:16]


def _write_files(store: Store, name: str, seen: Iterable[Seen]) -> tuple[list[LocalFile], CaptionCounts]:
    captions, rejected, provenance = JsonlWriter(CAPTIONS), JsonlWriter(REJECTED), JsonlWriter(PROVENANCE)
    photos = captioned = objects = 0
    for one in seen:
        photos += 1
        image = printable(one.photo.key)
        if one.error is not None:
            rejected.write([RejectedRecord(image=image, reason=one.error.reason, detail=one.error.detail)])
            continue
        outcome = read_outcome(store, name, one.work_key)
        provenance.write([_provenance(image, one, outcome)])
        if outcome.objects is None:
            rejected.write([_invalid(image, outcome)])
            continue
        captioned += 1
        objects += len(outcome.objects)
        captions.write([_record(image, outcome)])
    counts = CaptionCounts(photos=photos, captioned=captioned, rejected=photos - captioned, objects=objects)
    return [captions.close(), rejected.close(), provenance.close()], counts


def _record(image: str, outcome: Captioned) -> CaptionRecord:
    caption = parse_caption(outcome.text)
    return CaptionRecord(
        image=image,
        width=outcome.width,
        height=outcome.height,
        objects=caption.as_json(),
        pixels=pixels_of(caption, outcome.width, outcome.height),
    )


def _invalid(image: str, outcome: Captioned) -> RejectedRecord:
    return RejectedRecord(
        image=image,
        reason=Reason.CAPTION_INVALID,
        detail=f"the caption breaks {len(outcome.violations)} rules",
        text=outcome.text,
        violations=outcome.violations,
    )


def _provenance(image: str, one: Seen, outcome: Captioned) -> CaptionProvenance:
    return CaptionProvenance(
        image=image,
        sha256=outcome.sha256,
        size=one.photo.size,
        width=outcome.width,
        height=outcome.height,
        shown_width=outcome.shown_width,
        shown_height=outcome.shown_height,
        scaled_by=outcome.scaled_by,
        visual_tokens=outcome.visual_tokens,
        prompt_tokens=outcome.prompt_tokens,
        completion_tokens=outcome.completion_tokens,
        finish_reason=outcome.finish_reason,
        engine=outcome.engine,
        work_key=outcome.work_key,
    )
