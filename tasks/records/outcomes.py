"""What became of one work item: an answer, good or bad, or a failure. One line of a shard.

A kind of question whose answers have more to say than `Answered` has a record of its own, made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from tasks.records.base import Record, ScaledBy, Sha256
from tasks.records.jsonl import parse
from tasks.records.reasons import PASSING, Reason

READER: int = 2
"""Counts up whenever more photos can be read: an older failure then says nothing. 2: WebP, HEIC, AVIF, and JPEG without
its end."""


class Answered(Record):
    """A model's last answer for one work item, and what is wrong with it if something is.

    `sha256` is that of the photo's bytes, or of the text that was asked about. `width` and `height` are of the upright
    photo in pixels, `shown_width` and `shown_height` of what the model saw of it; `scaled_by` names the setting that
    the photo was too large for, if there is one. Without a photo all four are 0. `attempts` counts the answers, one a
    rung of the retry ladder.
    """

    work_key: Sha256
    sha256: Sha256
    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int = Field(ge=0)
    visual_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    width: int = Field(ge=0)
    height: int = Field(ge=0)
    shown_width: int = Field(ge=0)
    shown_height: int = Field(ge=0)
    scaled_by: ScaledBy | None
    engine: str
    violations: tuple[str, ...] = ()
    attempts: int = Field(ge=1)
    reason: Reason | None = None
    detail: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the answer may be published."""
        return self.reason is None


class Failed(Record):
    """A work item whose photo could not be read, or for which the engine gave no answer. `reader` is the `READER` of
    whoever tried."""

    work_key: Sha256
    sha256: Sha256
    reason: Reason
    detail: str
    reader: int = 1

    @property
    def ok(self) -> bool:
        """Never: there is nothing to publish."""
        return False


class ShardIndex(Record):
    """What a shard object holds: its name, the sha256 of its bytes, its epoch, and the work in it that lasts."""

    shard: Sha256
    sha256: Sha256
    epoch: int = Field(ge=0)
    work_keys: tuple[Sha256, ...] = Field(min_length=1)


Outcome = Answered | Failed


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A work item that was asked so often, that has no answer that today's rules accept, and that is to be asked on."""

    work_key: str
    asked: int


Judge = Callable[[Outcome], Outcome | Unfinished]
"""What an outcome of an earlier run is by the rules of today; the same object if it is what it was."""


def parse_outcome(line: bytes, place: str, answered: type[Answered] = Answered) -> Outcome:
    """An outcome from its line, without the line end; `place` is for messages. Raises RecordError."""
    # A quote within a string is escaped: only a key can look like this.
    return parse(answered, line, place) if b'"finish_reason"' in line else parse(Failed, line, place)


def lasts(outcome: Outcome) -> bool:
    """Whether the same work would end the same way tomorrow, so that a later run may take the outcome over."""
    return outcome.reason not in PASSING


def outdated(outcome: Outcome) -> bool:
    """Whether a photo failed when fewer could be read, so that it must be tried again."""
    return isinstance(outcome, Failed) and outcome.reader < READER
