"""Requests whose answers are given and scored: split, one for each answer, and put together again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tasks.engines.protocol import Request, Result, Scores

_SEAM = "\0"
"""Between a request's id and the number of its continuation; no id has one."""


def split_scores(requests: Iterable[Request]) -> Iterator[Request]:
    """The requests, with one for each continuation in the place of those that have several."""
    for request in requests:
        if not request.continuations:
            yield request
        count = len(request.continuations)
        for number, text in enumerate(request.continuations):
            yield replace(request, id=f"{request.id}{_SEAM}{number}{_SEAM}{count}", continuations=(text,))


def join_scores(results: Iterable[Result]) -> Iterator[Result]:
    """The results, with one for all continuations of a request, when the last of them has come.

    A request of which one continuation fails has one failure.
    """
    waiting: dict[str, dict[int, Result]] = {}
    for result in results:
        request_id, *place = result.id.split(_SEAM)
        if not place:
            yield result
            continue
        number, count = map(int, place)
        parts = waiting.setdefault(request_id, {})
        parts[number] = result
        if len(parts) == count:
            yield _joined(request_id, [waiting[request_id][part] for part in range(count)])
            del waiting[request_id]


def _joined(request_id: str, parts: list[Result]) -> Result:
    scores = [part for part in parts if isinstance(part, Scores)]
    if len(scores) < len(parts):
        return replace(next(part for part in parts if not isinstance(part, Scores)), id=request_id)
    return Scores(
        request_id,
        tuple(part.log_probs[0] for part in scores),
        tuple(part.tokens[0] for part in scores),
        scores[0].prompt_tokens,
    )
