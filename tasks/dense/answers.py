"""An answer key of dense captions, and the score of a run against it. Knows no engine.

An answer key is a JSON file: a photo's key under the input root, then its caption as a JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tasks.dense.caption import Caption
from tasks.dense.parse import parse_caption
from tasks.dense.publish import outcomes_of
from tasks.dense.records import Captioned
from tasks.dense.score import Score, score_caption
from tasks.ledger.ledger import Ledger
from tasks.records.errors import CaptionInvalid, InputError
from tasks.records.work import Identity

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


def score_run(ledger: Ledger, identity: Identity, answers: Mapping[str, Caption]) -> Score:
    """The score over all photos of the run that have an answer; one without a valid caption has found nothing.

    Raises Unaccounted for a photo without an outcome.
    """
    total = Score()
    for photo, outcome in outcomes_of(ledger, identity):
        if photo.key in answers:
            caption = parse_caption(outcome.text) if isinstance(outcome, Captioned) and outcome.ok else None
            total += score_caption(caption, answers[photo.key])
    return total
