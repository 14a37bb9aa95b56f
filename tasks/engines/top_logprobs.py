"""Scores from a server's `top_logprobs`: how likely each continuation is at the first token in which they differ.

    prompt | common | token of each continuation | whatever follows
                      ^ the server's log-probabilities are looked up here

Formats: OpenAI's chat completions, `logprobs.content[].top_logprobs[]`, as vLLM, SGLang and ms-swift send it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from tasks.engines.answers import to_text
from tasks.engines.protocol import Failure, Request, Scores
from tasks.records.errors import NoScores, PhotoError
from tasks.records.reasons import Reason

TOP = 20
"""Likeliest tokens that are asked for: the most that OpenAI's API has, and vLLM's default bound."""


@dataclass(frozen=True, slots=True)
class Branching:
    """Where a request's continuations part: the ids that all begin with, and of each the next one."""

    common: tuple[int, ...]
    tokens: tuple[int, ...]


class TopLogprob(BaseModel):
    """A token's text and log-probability."""

    token: str
    logprob: float


class TokenLogprobs(TopLogprob):
    """The token that was written at one place, and the likeliest ones there."""

    top_logprobs: list[TopLogprob] = []


class Logprobs(BaseModel):
    """Those of an answer, token by token."""

    content: list[TokenLogprobs] | None = None


def _readable(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


MaybeLogprobs = Annotated[Logprobs | None, WrapValidator(_readable)]
"""None where a server sends another format: whoever did not ask for them does not care."""


def branching(given: Sequence[Sequence[int]]) -> Branching:
    """Where the ids of continuations part. Raises NoScores where one token does not tell them apart."""
    shortest = min(map(len, given))
    at = next((at for at in range(shortest) if len({ids[at] for ids in given}) > 1), shortest)
    tokens = tuple(ids[at] for ids in given if at < len(ids))
    if len(given) < 2 or len(set(tokens)) < len(given):
        raise NoScores(
            "a server's top_logprobs compare answers by the first token in which they differ, and these do not differ "
            "there from one another; give two or more that do, or use engine kind transformers"
        )
    return Branching(tuple(given[0][:at]), tokens)


def scores(
    request: Request, where: Branching, places: Logprobs | None, tokenizer: Any, prompt_tokens: int, *, written: bool
) -> Scores | Failure:
    """The request's scores, from what a server sent.

    `written` tells that the server had to write the common beginning itself, and did not find it in the prompt. A
    failure where it wrote something else, or where a continuation's token is not among the likeliest.
    """
    found = (places.content if places else None) or []
    for token in where.common if written else ():
        if not found or found[0].token != to_text(tokenizer, [token]):
            return _none(request, "the model begins its answer in another way than the continuations")
        del found[0]
    if not found:
        return _none(request, "the answer ends before the continuations differ")
    likeliest: dict[str, list[float]] = {}
    for one in found[0].top_logprobs:
        likeliest.setdefault(one.token, []).append(one.logprob)
    log_probs = []
    for token in where.tokens:
        named = likeliest.get(to_text(tokenizer, [token]), [])
        if len(named) != 1:  # several are parts of characters, which all look alike
            return _none(request, f"the first token that differs is not one of the {TOP} likeliest")
        log_probs.append(named[0])
    return Scores(request.id, tuple(log_probs), (1,) * len(log_probs), prompt_tokens)


def _none(request: Request, why: str) -> Failure:
    return Failure(request.id, PhotoError(Reason.NO_SCORES, why))
