"""A kind of question: what is asked, how an answer is judged, and what its record is.

All that a room like `summaries` has to say; the rest is the pipeline's:

    work items --plan--> shards --ask--> answers --judge--> outcomes, kept as shards --account--> the room's own files
                                  ^                    |
                                  +-- next decoding ---+  an answer that breaks the rules, while there is one left

A room makes a class of its own from `Kind`, gives `judge`, and what is special about it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from tasks.engines.protocol import Completion, Decoding, Failure, FinishReason, Request, Result, Scores
from tasks.records.errors import EngineError
from tasks.records.outcomes import READER, Answered, Failed, Outcome, Unfinished
from tasks.records.photos import Photo
from tasks.records.prompts import Prompt
from tasks.records.reasons import Reason
from tasks.records.work import Identity, WorkItem


@dataclass(frozen=True)
class Kind(ABC):
    """One run's questions of one kind.

    `folder` is what its runs share in the store, such as `stage_a/<mission>`; `photos_under` the prefix of its photos
    under the input root. All requests have the `prompt`; `decodings` are the retry ladder: how an item is asked first,
    and then again as long as its answer breaks the rules. `identity` is all that decides an answer beside the item.
    """

    name: ClassVar[str]
    """What the kind is called in pieces for other machines."""
    noun: ClassVar[str] = "photo"
    """What one of its items is called in logs."""
    broken: ClassVar[Reason]
    """The reason of an item whose last answer breaks the rules."""
    record: ClassVar[type[Answered]] = Answered
    """What is kept of an answer."""
    revision: ClassVar[int] = 0
    """Counts up when the rules become stricter."""

    folder: str
    photos_under: str
    prompt: Prompt
    identity: Identity
    decodings: tuple[Decoding, ...]

    @property
    def rungs(self) -> int:
        """How often an item is asked at most, while its answer breaks the rules."""
        return len(self.decodings)

    @abstractmethod
    def judge(self, text: str, finish_reason: FinishReason, attempts: int) -> dict[str, Any]:
        """What the rules say of the `attempts`-th answer for an item: `violations`, `reason` and `detail`, and what
        else the kind's record has. An answer without a `reason` is good."""

    def request(self, item: WorkItem, asked: int, read: Callable[[], bytes] | None) -> Request:
        """What the engine is asked about an item that was asked so often before; `read` gives its photo's bytes, if it
        is about one."""
        about, user = item.about, self.prompt.user
        if isinstance(about, Photo):
            size = (about.width, about.height) if about.width else None
            question = Request(item.work_key, read, self.prompt.system, user, self.decodings[asked], size)
        else:
            own = user + about.user
            decoding = self.decodings[about.decoding + asked]
            question = Request(item.work_key, None, self.prompt.system, own, decoding, shared=len(user))
            question = replace(question, sampled_as=about.sampled_as)
        return replace(question, name=about.key)

    def outcome(self, item: WorkItem, result: Completion | Scores, engine: str, attempts: int) -> Answered:
        """The record of an answer. Raises EngineError for scores, unless the kind asks for them."""
        if isinstance(result, Scores):
            raise EngineError(f"engine {engine} scored {item.about.key} and was not asked to")
        return self.record(
            work_key=item.work_key,
            sha256=item.about.sha256,
            **result.facts(),
            attempts=attempts,
            engine=engine,
            **self.judge(result.text, result.finish_reason, attempts),
        )

    def failed(self, item: WorkItem, reason: Reason, detail: str) -> Failed:
        """The record of an item that has no answer."""
        return Failed(work_key=item.work_key, sha256=item.about.sha256, reason=reason, detail=detail, reader=READER)

    def outcome_of(self, item: WorkItem, result: Result, engine: str, attempts: int) -> Outcome:
        """The record of whatever an engine gave for an item."""
        if isinstance(result, Failure):
            return self.failed(item, result.error.reason, result.error.detail)
        return self.outcome(item, result, engine, attempts)

    def judge_again(self, outcome: Outcome) -> Outcome:
        """An outcome of an earlier run by the rules of today; the same object if it is what it was.

        What was refused stays refused: before it, an earlier answer for the item might have been accepted.
        """
        if not isinstance(outcome, Answered) or outcome.reason not in (None, self.broken):
            return outcome
        today = self.judge(outcome.text, outcome.finish_reason, outcome.attempts)
        if today["reason"] is None or today["violations"] == outcome.violations:
            return outcome
        return outcome.model_copy(update=today)

    def take_over(self, outcome: Outcome) -> Outcome | Unfinished:
        """What an outcome of an earlier run is worth today.

            accepted, still accepted                    taken over as it is
            accepted, refused now, decodings are left   goes on at the next one, as it would have done
            accepted, refused now, none is left         taken over as refused, and not asked any more
            refused                                     taken over as refused; what it breaks has today's names

        No answer that is there is asked for again, and the run's bytes are those of a run that knew nothing.
        """
        judged = self.judge_again(outcome)
        if not isinstance(judged, Answered) or judged.reason is not self.broken:
            return judged
        return Unfinished(judged.work_key, judged.attempts) if judged.attempts < self.rungs else judged
