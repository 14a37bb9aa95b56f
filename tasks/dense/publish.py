"""Publish a run of dense captions: its files and pictures first, its manifest last.

The run's id is made from the manifest's content, as in Stage-A: the same photos, checkpoint, prompt and settings are
the same run in the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from blocks.store import Store
from tasks.common.prefetch import prefetch
from tasks.dense.keys import CAPTIONS, REJECTED, captions_folder
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
from tasks.ledger.ledger import Ledger
from tasks.records.errors import PhotoError, Unaccounted
from tasks.records.photos import Photo, printable
from tasks.records.reasons import Reason
from tasks.records.work import Identity
from tasks.runs.files import JsonlWriter, LocalFile
from tasks.runs.keys import PROVENANCE
from tasks.runs.manifest import PublishedRun, put_run, versions, with_run_id

Draw = Callable[[str, Photo, Captioned], None]
"""Draws a captioned photo's overlay into the run of that id, from threads."""

_DRAWERS = 4


PublishedCaptions = PublishedRun[CaptionManifest]
"""A published run of dense captions."""


def publish_captions(
    store: Store,
    name: str,
    identity: Identity,
    ledger: Ledger,
    draw: Draw | None = None,
    confirm: Callable[[], None] = lambda: None,
) -> PublishedCaptions:
    """Write the run's files and, with `draw`, an overlay of each captioned photo; then its manifest. `confirm` is
    called before anything of it can be seen and may raise.

    Raises Unaccounted when a photo has no outcome, StoreError, or what `confirm` raises; then no manifest is there.
    """
    files, counts = _write_files(ledger, identity)
    manifest = with_run_id(
        CaptionManifest(
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
    )
    confirm()
    if draw is not None:
        _draw_all(draw, manifest.run_id, ledger, identity)
    return put_run(store, captions_folder(name), manifest.run_id, manifest, files)


def outcomes_of(ledger: Ledger, identity: Identity) -> Iterator[tuple[Photo, Captioned | PhotoError]]:
    """Every photo of the run, in order: what the model answered, or why it has no answer.

    Raises Unaccounted for a photo that has neither.
    """
    for entry in ledger.photos.entries():
        photo = entry.photo
        if entry.error is not None:
            yield photo, entry.error
            continue
        outcome = ledger.works.outcome(identity.work_key(photo.sha256))
        if outcome is None:
            raise Unaccounted(f"{printable(photo.key)} was neither captioned nor rejected; run again")
        if isinstance(outcome, Captioned):
            yield photo, outcome
        else:
            yield photo, PhotoError(outcome.reason or Reason.ENGINE_FAILED, outcome.detail or "")


def _draw_all(draw: Draw, run_id: str, ledger: Ledger, identity: Identity) -> None:
    captioned = ((photo, one) for photo, one in outcomes_of(ledger, identity) if isinstance(one, Captioned) and one.ok)
    with ThreadPoolExecutor(_DRAWERS, thread_name_prefix="overlay") as pool:
        for _ in prefetch(pool, lambda one: draw(run_id, *one), captioned, 2 * _DRAWERS):
            pass


def _write_files(ledger: Ledger, identity: Identity) -> tuple[list[LocalFile], CaptionCounts]:
    captions, rejected, provenance = JsonlWriter(CAPTIONS), JsonlWriter(REJECTED), JsonlWriter(PROVENANCE)
    photos = captioned = objects = 0
    for photo, outcome in outcomes_of(ledger, identity):
        photos += 1
        image = printable(photo.key)
        if isinstance(outcome, PhotoError):
            rejected.write([RejectedRecord(image=image, reason=outcome.reason, detail=outcome.detail)])
            continue
        provenance.write([_provenance(image, photo, outcome)])
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
        reason=outcome.reason or Reason.CAPTION_INVALID,
        detail=outcome.detail or "",
        text=outcome.text,
        violations=outcome.violations,
    )


def _provenance(image: str, photo: Photo, outcome: Captioned) -> CaptionProvenance:
    return CaptionProvenance(
        image=image,
        sha256=outcome.sha256,
        size=photo.size,
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
