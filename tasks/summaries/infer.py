"""Shards: photos in, validated summaries out. Knows an engine by its protocol, and no store."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from blocks.errors import ObjectMissing, StoreDenied
from configs.parts import GenerationConfig, LadderConfig
from tasks.engines.protocol import Completion, Engine, Failure, Request, Result, Results, Scores, longest_first
from tasks.records.errors import EngineError, PhotoError
from tasks.records.outcomes import Outcome
from tasks.records.photos import Photo
from tasks.records.prompts import Prompt
from tasks.records.reasons import REDECODED, Reason
from tasks.records.stage_a import READER, Failed, Summarised
from tasks.records.work import WorkItem
from tasks.summaries.judge import judgement
from tasks.summaries.ladder import rungs

_AHEAD = 2
"""Shards that are begun, at most, before the one that is waited for is done: the others are for other devices."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How photos are asked: prompt, decoding and retries."""

    prompt: Prompt
    generation: GenerationConfig
    ladder: LadderConfig


@dataclass(slots=True)
class _Part:
    """A shard that was begun: its photos as they were given, how many different ones they are, and what became of
    those that are done."""

    items: Sequence[WorkItem]
    photos: int
    outcomes: dict[str, Outcome] = field(default_factory=dict)


@dataclass(slots=True)
class _Open:
    """A photo that is not done: its shard, and how often it was asked before, by earlier runs too."""

    item: WorkItem
    part: _Part
    asked: int = 0


class Reading:
    """Summarises shards one after the other, without a gap between them.

    While the last photos of a shard are answered, those of the next one enter the engine's batch; and so do photos
    whose summary was bad, on the next rung of the retry ladder.
    """

    def __init__(
        self,
        engine: Engine,
        asking: Asking,
        read_photo: Callable[[str], bytes],
        following: Callable[[int], Sequence[WorkItem] | None] = lambda _: None,
    ) -> None:
        """`read_photo` gives a photo's bytes by its key.

        `following` gives the items of the shard that will be asked for so many places (from 0) after the one that is
        being waited for, or None when no more follow. A photo may be in one shard only.
        """
        self.engine = engine
        self._asking = asking
        self._read_photo = read_photo
        self._following = following
        self._rungs = rungs(asking.generation, asking.ladder)
        self.interrupted: dict[str, tuple[WorkItem, Outcome]] = {}
        self._begin()

    def outcomes(self, items: Sequence[WorkItem], on_photo: Callable[[], None] = lambda: None) -> list[Outcome]:
        """One outcome a photo of this shard, ordered by work key.

        `on_photo` is called once a photo, when its outcome is final. A photo that cannot be read, that is not what was
        verified, that the engine has no answer for, or that has no good summary at the end of the retry ladder, has an
        outcome with a reason. Raises EngineError, and StoreError when the store itself fails; what was begun is then
        forgotten, and `interrupted` holds what was final all the same, by work key.
        """
        if not self._parts or self._parts[0].items is not items:
            self.close()
            self._add(items)
        part = self._parts[0]
        told = 0
        try:
            while True:
                for _ in range(len(part.outcomes) - told):
                    on_photo()
                told = len(part.outcomes)
                if told == part.photos:
                    break
                self._take(self._next())
        except BaseException:
            self.interrupted = {
                item.work_key: (item, begun.outcomes[item.work_key])
                for begun in self._parts
                for item in begun.items
                if item.work_key in begun.outcomes
            }
            self.close()
            raise
        self._parts.popleft()
        return [part.outcomes[key] for key in sorted(part.outcomes)]

    def close(self) -> None:
        """Stop the engine's threads and forget what was begun."""
        self._results.close()
        self._begin()

    def _begin(self) -> None:
        self._parts: deque[_Part] = deque()  # the one that is waited for, and those that follow it
        self._open: dict[str, _Open] = {}
        self._waiting: deque[Request] = deque()  # not handed to the engine yet
        self._again: deque[Request] = deque()  # neither are these, and they go first
        self._results = _none()

    def _add(self, items: Sequence[WorkItem]) -> None:
        by_key = {item.work_key: item for item in items}
        part = _Part(items, len(by_key))
        self._parts.append(part)
        fresh = {key: _Open(item, part, item.asked) for key, item in by_key.items()}
        self._open |= fresh
        self._waiting.extend(longest_first(self.engine, [self._request(one) for one in fresh.values()]))

    def _next(self) -> Result:
        """The next result; the engine is asked anew when it was at the end of what there was."""
        for _ in range(2):
            result = next(self._results, None)
            if result is not None:
                return result
            self._results = self.engine.generate(self._feed())
        raise EngineError(f"engine {self.engine.name} left {len(self._open)} photos without an answer")

    def _feed(self) -> Iterator[Request]:
        """What the engine is asked, drawn as it has room."""
        while True:
            if self._again:
                yield self._again.popleft()
            elif self._waiting:
                yield self._waiting.popleft()
            elif len(self._parts) > _AHEAD or (items := self._following(len(self._parts) - 1)) is None:
                return
            else:
                self._add(items)

    def _request(self, one: _Open) -> Request:
        photo, prompt = one.item.photo, self._asking.prompt
        return Request(
            id=one.item.work_key,
            read=lambda: _bytes(photo, self._read_photo),
            system=prompt.system,
            user=prompt.user,
            decoding=self._rungs[one.asked],
            size=(photo.width, photo.height) if photo.width else None,
            name=photo.key,
        )

    def _take(self, result: Result) -> None:
        one = self._open[result.id]
        one.asked += 1
        outcome: Outcome
        if isinstance(result, Failure):
            outcome = _failed(one.item, result)
            again = outcome.reason in REDECODED
        elif isinstance(result, Scores):
            raise EngineError(f"engine {self.engine.name} scored a photo and was not asked to")
        else:
            outcome = _judge(one.item, result, self.engine.name, attempts=one.asked)
            again = not outcome.ok
        if again and one.asked < len(self._rungs):
            self._again.append(self._request(one))
            return
        one.part.outcomes[result.id] = outcome
        del self._open[result.id]


def _none() -> Results:
    yield from ()


def _bytes(photo: Photo, read_photo: Callable[[str], bytes]) -> bytes:
    try:
        data = read_photo(photo.key)
    except (ObjectMissing, StoreDenied) as error:
        raise PhotoError(Reason.UNREADABLE, f"gone since it was verified: {error}") from error
    # The work key promises a text for these very bytes, to every later run.
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise PhotoError(Reason.CHANGED, "the file was written anew while the run was under way; the next run takes it")
    return data


def _judge(item: WorkItem, answer: Completion, engine: str, attempts: int) -> Summarised:
    return Summarised(
        work_key=item.work_key,
        sha256=item.photo.sha256,
        **answer.facts(),
        attempts=attempts,
        engine=engine,
        **judgement(answer.text, answer.finish_reason, attempts),
    )


def _failed(item: WorkItem, failure: Failure) -> Failed:
    return Failed(
        work_key=item.work_key,
        sha256=item.photo.sha256,
        reason=failure.error.reason,
        detail=failure.error.detail,
        reader=READER,
    )
