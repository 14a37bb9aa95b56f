"""Ask about one shard after the other, without a gap between them."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from blocks.errors import ObjectMissing, StoreDenied
from tasks.engines.protocol import Engine, Failure, Request, Result, Results, longest_first
from tasks.records.errors import EngineError, NoScores, PhotoError
from tasks.records.outcomes import Failed, Outcome
from tasks.records.photos import Photo
from tasks.records.reasons import REDECODED, Reason
from tasks.records.work import Shard, WorkItem
from tasks.work.kind import Kind

_AHEAD = 2
"""How many further shards may be started before the current one is complete: the others are for other devices."""


@dataclass(slots=True)
class _Started:
    """A shard that was started, how many different items it has, and the outcomes of those that are done."""

    shard: Shard
    items: int
    outcomes: dict[str, Outcome] = field(default_factory=dict)


@dataclass(slots=True)
class _Open:
    """An item that is not done: its shard, and how often it was asked before, by earlier runs too."""

    item: WorkItem
    part: _Started
    asked: int


class ShardReader:
    """Gives the outcomes of shards, one after the other, on one engine.

    While the last items of a shard are answered, those of the next one enter the engine's batch; and so do items whose
    answer broke the rules, with the next decoding of the retry ladder.
    """

    def __init__(
        self,
        engine: Engine,
        kind: Kind,
        read_photo: Callable[[str], bytes],
        following: Callable[[int], Shard | None] = lambda _: None,
    ) -> None:
        """`read_photo` gives a photo's bytes by its key.

        `following` gives the shard that will be asked for so many places (from 0) after the current one, or None when
        no more follow. An item may be in one shard only.
        """
        self.engine = engine
        self._kind = kind
        self._read_photo = read_photo
        self._following = following
        self.interrupted: dict[str, tuple[WorkItem, Outcome]] = {}
        self._begin()

    def outcomes(self, shard: Shard, on_item: Callable[[], None] = lambda: None) -> list[Outcome]:
        """One outcome an item of this shard, ordered by work key.

        `on_item` is called once an item, when its outcome is final. An item whose photo cannot be read or is not what
        was verified, that the engine has no answer for, or that has no good answer at the end of the retry ladder, has
        an outcome with a reason; so has every one that is scored where the engine gives no scores. Raises EngineError,
        and StoreError when the store itself fails; what was started is then forgotten, and `interrupted` holds what was
        final all the same, by work key.
        """
        if not self._started or self._started[0].shard.key != shard.key:
            self.close()
            self._add(shard)
        part = self._started[0]
        told = 0
        try:
            while True:
                for _ in range(len(part.outcomes) - told):
                    on_item()
                told = len(part.outcomes)
                if told == part.items:
                    break
                try:
                    self._take(self._next())
                except NoScores as error:
                    self._without_scores(error)
        except BaseException:
            self.interrupted = {
                item.work_key: (item, started.outcomes[item.work_key])
                for started in self._started
                for item in started.shard.items
                if item.work_key in started.outcomes
            }
            self.close()
            raise
        self._started.popleft()
        return [part.outcomes[key] for key in sorted(part.outcomes)]

    def close(self) -> None:
        """Stop the engine's threads and forget what was started."""
        self._results.close()
        self._begin()

    def _begin(self) -> None:
        self._started: deque[_Started] = deque()  # the current shard, and those that follow it
        self._open: dict[str, _Open] = {}
        self._waiting: deque[Request] = deque()  # not handed to the engine yet
        self._again: deque[Request] = deque()  # neither are these, and they go first
        self._results = _none()

    def _add(self, shard: Shard) -> None:
        by_key = {item.work_key: item for item in shard.items}
        part = _Started(shard, len(by_key))
        self._started.append(part)
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
        raise EngineError(f"engine {self.engine.name} left {len(self._open)} questions without an answer")

    def _without_scores(self, error: NoScores) -> None:
        """No task fails for what an engine never has: the run goes on, on this machine or another."""
        self._waiting.clear()
        self._again.clear()
        for work_key in list(self._open):
            self._take(Failure(work_key, PhotoError(Reason.NO_SCORES, str(error))))

    def _feed(self) -> Iterator[Request]:
        """What the engine is asked, drawn as it has room."""
        while True:
            if self._again:
                yield self._again.popleft()
            elif self._waiting:
                yield self._waiting.popleft()
            elif len(self._started) > _AHEAD or (shard := self._following(len(self._started) - 1)) is None:
                return
            else:
                self._add(shard)

    def _request(self, one: _Open) -> Request:
        about = one.item.about
        read = partial(_bytes, about, self._read_photo) if isinstance(about, Photo) else None
        return self._kind.request(one.item, one.asked, read)

    def _take(self, result: Result) -> None:
        one = self._open[result.id]
        one.asked += 1
        outcome = self._kind.outcome_of(one.item, result, self.engine.name, one.asked)
        again = outcome.reason in REDECODED if isinstance(outcome, Failed) else not outcome.ok
        if again and one.asked < self._kind.rungs:
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
