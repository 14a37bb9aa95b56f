"""Photos in, captions out, one stored object a photo. Knows an engine by its protocol.

A photo that the store knows is not shown to the model again; what becomes of a new one is stored as soon as it is
known, so that a killed run loses the batch under way at most.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from blocks.errors import BadKey, ObjectMissing, StoreDenied
from blocks.store import Store
from configs.parts import InputConfig
from configs.photo import DenseConfig
from tasks.dense.keys import outcome_key
from tasks.dense.parse import parse_caption
from tasks.dense.records import Captioned, Objects
from tasks.engines.protocol import Completion, Decoding, Engine, Failure, FinishReason, Request, longest_first
from tasks.images.open import read_header
from tasks.records.errors import CaptionInvalid, PhotoError, RecordError
from tasks.records.jsonl import parse, to_line
from tasks.records.outcomes import outdated
from tasks.records.photos import Photo
from tasks.records.prompts import Prompt
from tasks.records.reasons import PASSING, Reason
from tasks.records.stage_a import READER, Failed
from tasks.records.work import Identity


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one photo: the work key of its caption, or why it could not be read.

    Of the photo, sha256, size, width and height are known if it could be read.
    """

    photo: Photo
    work_key: str = ""
    fresh: bool = False
    error: PhotoError | None = None


def decoding_of(dense: DenseConfig) -> Decoding:
    """How a caption is decoded."""
    return Decoding(dense.max_new_tokens, dense.temperature, dense.top_p, dense.seed)


def caption_photos(
    photos: Sequence[Photo],
    root: Store,
    store: Store,
    name: str,
    identity: Identity,
    prompt: Prompt,
    decoding: Decoding,
    limits: InputConfig,
    engine: Callable[[], Engine],
    on_photo: Callable[[], None] = lambda: None,
) -> list[Seen]:
    """What became of each photo, in the order given. `engine` is called when the first photo must be shown to one.

    `root` holds the photos, `store` the captions. `on_photo` is called once a photo. Raises EngineError, and
    StoreError when a store itself fails.
    """
    seen = [_look(photo, root, limits, identity) for photo in photos]
    known = {one.work_key: _find(store, name, one.work_key) for one in seen if not one.error}
    asked = {one.work_key: one for one in seen if not one.error and known[one.work_key] is None}
    failed = {key: PhotoError(one.reason, one.detail) for key, one in known.items() if isinstance(one, Failed)}
    for one in seen:
        if one.work_key not in asked:
            on_photo()
    if asked:
        model = engine()
        requests = [_request(one, root, prompt, decoding) for one in asked.values()]
        for result in model.generate(longest_first(model, requests)):
            sha256 = asked[result.id].photo.sha256
            if isinstance(result, Completion):
                store.write(outcome_key(name, result.id), to_line(_judge(sha256, result, model.name)))
            elif isinstance(result, Failure):
                reason, detail = result.error.reason, result.error.detail
                failed[result.id] = result.error
                if reason not in PASSING:  # the same bytes will fail tomorrow
                    outcome = Failed(work_key=result.id, sha256=sha256, reason=reason, detail=detail, reader=READER)
                    store.write(outcome_key(name, result.id), to_line(outcome))
            on_photo()
    return [
        replace(
            one,
            error=failed.get(one.work_key, one.error),
            fresh=asked.get(one.work_key) is one and one.work_key not in failed,
        )
        for one in seen
    ]


def judge_again(outcome: Captioned) -> Captioned:
    """A stored caption by the rules of today: those are stricter than the ones by which it was stored, or the same."""
    if outcome.objects is None:
        return outcome
    objects, violations = _judgement(outcome.text, outcome.finish_reason)
    return outcome if objects is not None else outcome.model_copy(update={"objects": None, "violations": violations})


def read_outcome(store: Store, name: str, work_key: str) -> Captioned:
    """A stored caption, judged by the rules of today. Raises ObjectMissing or RecordError."""
    outcome = _read(store, name, work_key)
    if isinstance(outcome, Failed):
        raise RecordError(f"{store.uri_of(outcome_key(name, work_key))} is no caption; delete it and run again")
    return judge_again(outcome)


def _find(store: Store, name: str, work_key: str) -> Captioned | Failed | None:
    """What is known of a photo; a damaged object is as good as none, and is made anew."""
    try:
        outcome = _read(store, name, work_key)
    except (ObjectMissing, RecordError):
        return None
    return None if outdated(outcome) else outcome


def _read(store: Store, name: str, work_key: str) -> Captioned | Failed:
    key = outcome_key(name, work_key)
    data, place = store.read(key), store.uri_of(key)
    outcome = parse(Captioned, data, place) if b'"finish_reason"' in data else parse(Failed, data, place)
    if outcome.work_key != work_key:
        raise RecordError(f"{place} is of another photo; delete it and run again")
    return outcome


def _look(photo: Photo, root: Store, limits: InputConfig, identity: Identity) -> Seen:
    try:
        data = root.read(photo.key)
        header = read_header(data, limits)
    except PhotoError as error:
        return Seen(photo, error=error)
    except (ObjectMissing, StoreDenied) as error:
        return Seen(photo, error=PhotoError(Reason.UNREADABLE, str(error)))
    except BadKey as error:
        return Seen(photo, error=PhotoError(Reason.BAD_NAME, str(error)))
    sha256 = hashlib.sha256(data).hexdigest()
    known = replace(photo, size=len(data), sha256=sha256, width=header.width, height=header.height)
    return Seen(known, work_key=identity.work_key(sha256))


def _request(one: Seen, root: Store, prompt: Prompt, decoding: Decoding) -> Request:
    photo = one.photo
    return Request(
        id=one.work_key,
        read=lambda: _bytes(photo, root),
        system=prompt.system,
        user=prompt.user,
        decoding=decoding,
        size=(photo.width, photo.height),
        name=photo.key,
    )


def _bytes(photo: Photo, root: Store) -> bytes:
    try:
        data = root.read(photo.key)
    except (ObjectMissing, StoreDenied) as error:
        raise PhotoError(Reason.UNREADABLE, f"gone since it was looked at: {error}") from error
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise PhotoError(Reason.CHANGED, "the file was written anew while the run was under way; run again")
    return data


def _judge(sha256: str, answer: Completion, engine: str) -> Captioned:
    objects, violations = _judgement(answer.text, answer.finish_reason)
    return Captioned(
        work_key=answer.id,
        sha256=sha256,
        **answer.facts(),
        engine=engine,
        objects=objects,
        violations=violations,
    )


def _judgement(text: str, finish_reason: FinishReason) -> tuple[Objects | None, tuple[str, ...]]:
    try:
        return parse_caption(text, finish_reason).as_json(), ()
    except CaptionInvalid as error:
        return None, error.violations
