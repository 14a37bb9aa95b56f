"""A shard: photos in, validated summaries out. Knows an engine by its protocol, and no store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from blocks.errors import ObjectMissing, StoreDenied
from configs.parts import GenerationConfig, LadderConfig
from tasks.engines.protocol import Completion, Decoding, Engine, Failure, Request
from tasks.records.errors import PhotoError
from tasks.records.outcomes import Outcome
from tasks.records.photos import Photo
from tasks.records.prompts import Prompt
from tasks.records.reasons import Reason
from tasks.records.stage_a import Failed, Summarised
from tasks.records.work import WorkItem
from tasks.summaries.grammar import Violation, read
from tasks.summaries.ladder import first_rung, retry_rungs


@dataclass(frozen=True, slots=True)
class Asking:
    """How photos are asked: prompt, decoding and retries."""

    prompt: Prompt
    generation: GenerationConfig
    ladder: LadderConfig


def summarise(
    items: Iterable[WorkItem],
    engine: Engine,
    asking: Asking,
    read_photo: Callable[[str], bytes],
    on_photo: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """One outcome a photo, ordered by work key.

    `read_photo` gives a photo's bytes by its key. `on_photo` is called once a photo, when its outcome is final. A photo
    that cannot be read, that is not what was verified, or that has no good summary at the end of the retry ladder, has
    an outcome with a reason. Raises EngineError, and StoreError when the store itself fails.
    """
    by_key = {item.work_key: item for item in items}
    outcomes: dict[str, Outcome] = {}
    bad: dict[str, Summarised] = {}

    def request(item: WorkItem, decoding: Decoding) -> Request:
        photo = item.photo
        return Request(
            id=item.work_key,
            read=lambda: _bytes(photo, read_photo),
            system=asking.prompt.system,
            user=asking.prompt.user,
            decoding=decoding,
            size=(photo.width, photo.height) if photo.width else None,
        )

    rung = first_rung(asking.generation)
    for result in engine.generate([request(item, rung) for item in by_key.values()]):
        item = by_key[result.id]
        if isinstance(result, Failure):
            outcomes[result.id] = _failed(item, result)
        else:
            outcome = _judge(item, result, engine.name, attempts=1)
            if not outcome.ok:
                bad[result.id] = outcome
                continue
            outcomes[result.id] = outcome
        on_photo()
    for key, first in bad.items():
        outcomes[key] = _climb(by_key[key], first, engine, asking, request)
        on_photo()
    return [outcomes[key] for key in sorted(outcomes)]


def _bytes(photo: Photo, read_photo: Callable[[str], bytes]) -> bytes:
    try:
        data = read_photo(photo.key)
    except (ObjectMissing, StoreDenied) as error:
        raise PhotoError(Reason.UNREADABLE, f"gone since it was verified: {error}") from error
    # The work key promises a text for these very bytes, to every later run.
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise PhotoError(Reason.CHANGED, "the file was written anew while the run was under way; the next run takes it")
    return data


def _climb(
    item: WorkItem,
    outcome: Summarised,
    engine: Engine,
    asking: Asking,
    request: Callable[[WorkItem, Decoding], Request],
) -> Outcome:
    """Ask again, alone, rung by rung, until a summary is good or the ladder ends."""
    for attempt, rung in enumerate(retry_rungs(asking.generation, asking.ladder), start=2):
        for result in engine.generate([request(item, rung)]):
            if isinstance(result, Failure):
                return _failed(item, result)
            outcome = _judge(item, result, engine.name, attempts=attempt)
        if outcome.ok:
            break
    return outcome


def _judge(item: WorkItem, answer: Completion, engine: str, attempts: int) -> Summarised:
    reading = read(answer.text, cut_off=answer.finish_reason == "length")
    return Summarised(
        work_key=item.work_key,
        sha256=item.photo.sha256,
        **answer.facts(),
        attempts=attempts,
        engine=engine,
        violations=tuple(violation.value for violation in reading.violations),
        reason=None if reading.summary is not None else Reason.SUMMARY_INVALID,
        detail=None if reading.summary is not None else _explain(reading.violations, attempts),
    )


def _explain(violations: tuple[Violation, ...], attempts: int) -> str:
    broken = ", ".join(violation.value for violation in violations)
    return f"no good summary in {attempts} attempts; the last one breaks: {broken}"


def _failed(item: WorkItem, failure: Failure) -> Failed:
    return Failed(
        work_key=item.work_key,
        sha256=item.photo.sha256,
        reason=failure.error.reason,
        detail=failure.error.detail,
    )
