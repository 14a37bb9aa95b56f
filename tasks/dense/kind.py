"""Dense captions as a kind of question: one photo in, every object of it with its place out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from configs.dense import DenseCaptionConfig
from configs.photo import DenseConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.checkpoints.spec import text_settings
from tasks.dense.keys import captions_folder
from tasks.dense.parse import PARSE_VERSION, parse_caption
from tasks.dense.prompts import dense_prompt
from tasks.dense.records import Captioned
from tasks.engines.protocol import Decoding, FinishReason
from tasks.ledger.photo_set import PhotoSet
from tasks.records.errors import CaptionInvalid
from tasks.records.reasons import Reason
from tasks.records.work import Identity, WorkItem
from tasks.work.kind import Kind


@dataclass(frozen=True)
class Captions(Kind):
    """The dense captions of one photo set."""

    name = "captions"
    broken = Reason.CAPTION_INVALID
    record = Captioned

    def judge(self, text: str, finish_reason: FinishReason, attempts: int) -> dict[str, Any]:
        """What the rules of a dense caption say of an answer, and its objects if it obeys them."""
        try:
            objects = parse_caption(text, finish_reason).as_json()
        except CaptionInvalid as error:
            detail = f"the caption breaks {len(error.violations)} rules"
            return {"objects": None, "violations": error.violations, "reason": self.broken, "detail": detail}
        return {"objects": objects, "violations": (), "reason": None, "detail": None}


def captions_of(config: DenseCaptionConfig, checkpoint: Checkpoint) -> Captions:
    """The questions of a run of dense captions."""
    prompt = dense_prompt()
    settings = {
        "rules": PARSE_VERSION,
        **text_settings(config.model, config.engine, checkpoint.dtype),
        "dense": config.dense.model_dump(mode="json"),
    }
    return Captions(
        folder=captions_folder(photo_set_name(config)),
        photos_under="",
        prompt=prompt,
        identity=Identity(prompt.digest, checkpoint.fingerprint, checkpoint.adapter_fingerprints, settings),
        decodings=(decoding_of(config.dense),),
    )


def photo_set_name(config: DenseCaptionConfig) -> str:
    """Name of a photo set in the store: without one, that of the input root's folder."""
    return config.name or PurePosixPath(config.input_root.rstrip("/")).name or "photos"


def decoding_of(dense: DenseConfig) -> Decoding:
    """How a caption is decoded."""
    return Decoding(dense.max_new_tokens, dense.temperature, dense.top_p, dense.seed)


def work_items(photos: PhotoSet, identity: Identity) -> Iterator[WorkItem]:
    """The photos that can be used."""
    for entry in photos.entries():
        if entry.error is None:
            yield WorkItem(identity.work_key(entry.photo.sha256), entry.photo)
