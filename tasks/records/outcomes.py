"""What became of one photo's work: a summary, good or bad, or a failure. Knows no store and no engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tasks.records.jsonl import parse
from tasks.records.reasons import PASSING
from tasks.records.stage_a import READER, Failed, Summarised

Outcome = Summarised | Failed


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A photo that was asked so often, that has no answer that today's rules accept, and that is to be asked on."""

    work_key: str
    asked: int


Judge = Callable[[Outcome], Outcome | Unfinished]
"""What an outcome of an earlier run is by the rules of today; the same object if it is what it was."""


def parse_outcome(line: bytes, place: str) -> Outcome:
    """An outcome from its line, without the line end; `place` is for messages. Raises RecordError."""
    return parse(Summarised, line, place) if b'"finish_reason"' in line else parse(Failed, line, place)


def lasts(outcome: Outcome) -> bool:
    """Whether the same work would end the same way tomorrow, so that a later run may take the outcome over."""
    return outcome.reason not in PASSING


def outdated(outcome: object) -> bool:
    """Whether a photo failed when fewer could be read, so that it must be tried again."""
    return isinstance(outcome, Failed) and outcome.reader < READER
