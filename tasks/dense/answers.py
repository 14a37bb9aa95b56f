"""An answer key of dense captions, and the score of a run against it. Knows no engine.

An answer key is a JSON file: a photo's key under the input root, then its caption as a JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from blocks.store import Store
from tasks.dense.caption import Caption
from tasks.dense.infer import Seen, read_outcome
from tasks.dense.parse import parse_caption
from tasks.dense.score import Score, score_caption
from tasks.records.errors import CaptionInvalid, InputError

_KEY = TypeAdapter(dict[str, dict[str, object]])


def read_dense_key(path: str | Path) -> dict[str, Caption]:
    """The right caption of each photo. Raises InputError naming the file, and the photo whose caption is none."""
    try:
        answers = _KEY.validate_json(Path(path).read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path} is not an answer key of dense captions: {error}") from error
    captions = {}
    for image, objects in answers.items():
        try:
            captions[image] = parse_caption(json.dumps(objects, ensure_ascii=False))
        except CaptionInvalid as error:
            raise InputError(f"{path}: the caption of {image}: {error}") from error
    return captions


def score_run(store: Store, name: str, seen: Sequence[Seen], answers: Mapping[str, Caption]) -> Score:
    """The score over all photos of the run that have an answer; one without a valid caption has found nothing.

    Raises ObjectMissing, RecordError or StoreError.
    """
    total = Score()
    for one in seen:
        if one.photo.key not in answers:
            continue
        outcome = None if one.error else read_outcome(store, name, one.work_key)
        caption = parse_caption(outcome.text) if outcome is not None and outcome.objects is not None else None
        total += score_caption(caption, answers[one.photo.key])
    return total
