"""Two engines asked the same: where the answer of one is the first time another than that of the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tasks.engines.protocol import Completion, Request, Result

_MOST_QUOTED = 24
"""Characters of each text that are shown from the first difference on."""


@dataclass(frozen=True, slots=True)
class Side:
    """One engine's answer from the first difference on, how it ended, and its tokens; why there is none, if there is
    none."""

    text: str
    ended: str
    tokens: int

    def __str__(self) -> str:
        return f"{self.text!r} ({self.ended}, {self.tokens} tokens)"


@dataclass(frozen=True, slots=True)
class Difference:
    """A photo of which two engines say different things; `at` is the first character of the text that differs, from 0,
    and the length of the texts where only their ends do."""

    photo: str
    at: int
    ours: Side
    theirs: Side

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self)


def compare(
    requests: Iterable[Request], ours: Mapping[str, Result], theirs: Mapping[str, Result]
) -> list[tuple[str, Difference | None]]:
    """The name of each request's photo, and the first difference between its two results, if there is one.

    A text and how it ended are compared; of photos without an answer, the reason why there is none.
    """
    return [(one.label, _difference(one.label, ours[one.id], theirs[one.id])) for one in requests]


def _difference(photo: str, ours: Result, theirs: Result) -> Difference | None:
    one, other = _text(ours), _text(theirs)
    if (one, _ended(ours)) == (other, _ended(theirs)):
        return None
    pairs = zip(one, other, strict=False)
    at = next((place for place, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
    return Difference(photo, at, _answered(ours, at), _answered(theirs, at))


def _answered(result: Result, at: int) -> Side:
    tokens = result.completion_tokens if isinstance(result, Completion) else 0
    return Side(_text(result)[at : at + _MOST_QUOTED], _ended(result), tokens)


def _text(result: Result) -> str:
    return result.text if isinstance(result, Completion) else ""


def _ended(result: Result) -> str:
    if isinstance(result, Completion):
        return result.finish_reason
    return str(result.error.reason) if hasattr(result, "error") else "scored"
