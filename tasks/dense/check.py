"""Check a published run of dense captions: every digest, every record, every rule. Knows no engine and no Prefect."""

from __future__ import annotations

import json
from collections.abc import Iterator

from blocks.store import Store
from tasks.dense.keys import CAPTIONS, REJECTED, caption_run_folder
from tasks.dense.parse import parse_caption
from tasks.dense.records import CaptionManifest, CaptionProvenance, CaptionRecord, RejectedRecord, pixels_of
from tasks.records.errors import CaptionInvalid, ManifestError
from tasks.runs.keys import MANIFEST, PROVENANCE
from tasks.runs.manifest import derive_run_id
from tasks.runs.verified_files import Checked, entry_of, read_canonical, reread

DENSE = "dense"


def check_captions(store: Store, key: str, expected: str | None = None) -> Checked[CaptionManifest]:
    """Check the run behind a manifest's key; `expected` is the manifest's sha256, if known.

    Overlays are not in the manifest and are not looked at. Raises ManifestError or RecordError naming the object (and
    line), StoreError if it cannot be read.
    """
    manifest, digest = read_canonical(CaptionManifest, store, key, expected)
    if derive_run_id(manifest) != manifest.run_id:
        raise ManifestError(f"{store.uri_of(key)} was changed: its content does not give its run id {manifest.run_id}")
    if key != f"{caption_run_folder(manifest.name, manifest.run_id)}/{MANIFEST}":
        raise ManifestError(f"{store.uri_of(key)} is of {manifest.name!r}, run {manifest.run_id}: not of this place")
    for name, kind in ((CAPTIONS, CaptionRecord), (REJECTED, RejectedRecord), (PROVENANCE, CaptionProvenance)):
        for _ in reread(kind, store, key, entry_of(manifest.files, name, store, key)):
            pass  # The file that was changed is at fault, not the one that would be read beside it.
    _check_records(store, key, manifest)
    return Checked.of(DENSE, manifest, digest, manifest.files)


def _check_records(store: Store, key: str, manifest: CaptionManifest) -> None:
    where = store.uri_of(key.rpartition("/")[0])
    captions = reread(CaptionRecord, store, key, entry_of(manifest.files, CAPTIONS, store, key))
    answered = _answered(store, key, manifest)
    captioned = objects = seen = 0
    caption = next(captions, None)
    for line in reread(CaptionProvenance, store, key, entry_of(manifest.files, PROVENANCE, store, key)):
        seen += 1
        if caption is None or caption.image != line.image:
            if next(answered, None) != line.image:
                raise ManifestError(
                    f"{where}/{PROVENANCE}, line {seen}: {line.image} was neither captioned nor rejected"
                )
            continue
        captioned += 1
        place = f"{where}/{CAPTIONS}, line {captioned}"
        if (caption.width, caption.height) != (line.width, line.height):
            raise ManifestError(f"{place}: {line.image} is {line.width} x {line.height} px in {PROVENANCE}")
        _check_caption(place, caption)
        objects += len(caption.objects)
        caption = next(captions, None)
    if caption is not None:
        raise ManifestError(f"{where}/{PROVENANCE} has no line for {caption.image}")
    if (image := next(answered, None)) is not None:
        raise ManifestError(f"{where}/{PROVENANCE} has no line for {image}, whose answer was rejected")
    counts = manifest.counts
    told = (counts.photos, counts.captioned, counts.rejected, counts.objects)
    rejected = entry_of(manifest.files, REJECTED, store, key).records
    there = (captioned + rejected, captioned, rejected, objects)
    if told != there:
        raise ManifestError(
            f"{store.uri_of(key)} counts {told} photos, captioned, rejected and objects; there are {there}"
        )


def _answered(store: Store, key: str, manifest: CaptionManifest) -> Iterator[str]:
    """The rejected photos that the model did answer, in order."""
    for line in reread(RejectedRecord, store, key, entry_of(manifest.files, REJECTED, store, key)):
        if line.text is not None:
            yield line.image


def _check_caption(place: str, record: CaptionRecord) -> None:
    try:
        caption = parse_caption(json.dumps(record.objects, ensure_ascii=False))
    except CaptionInvalid as error:
        raise ManifestError(
            f"{place}: {record.image} breaks the rules: {'; '.join(error.violations)}; if an earlier release published "
            "it, run dense-caption again: the model is not asked anew"
        ) from error
    if pixels_of(caption, record.width, record.height) != record.pixels:
        raise ManifestError(f"{place}: the pixels of {record.image} are not those of its objects")
