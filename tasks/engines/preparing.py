"""Requests made ready: photos fetched, decoded and scaled, within what a model can take. Knows no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tasks.engines.photos import Room, Scaler, Shown
from tasks.engines.protocol import Failure, Request
from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason


@dataclass(frozen=True, slots=True)
class Ready:
    """A request and its picture, if it has one. `tokens` counts prompt and picture."""

    request: Request
    shown: Shown | None
    tokens: int

    @property
    def visual_tokens(self) -> int:
        """Visual tokens of its photo."""
        return 0 if self.shown is None else self.shown.visual_tokens


class Preparer:
    """Prepares requests. Safe to call from several threads.

    `count` gives the tokens of a request's prompt without the photo; `most` is the most tokens of prompt, photo
    and answer together, if that is known.
    """

    def __init__(self, scaler: Scaler, count: Callable[[Request], int], most: int | None) -> None:
        self._scaler = scaler
        self._count = count
        self._most = most

    def length(self, request: Request) -> int:
        """Tokens of prompt and picture, foretold from the photo's size alone."""
        prompt = self._count(request)
        if request.read is None:
            return prompt
        if request.size is None:
            return prompt + self._scaler.most_visual_tokens
        return prompt + self._scaler.visual_tokens(*request.size, self._room(prompt, request))

    def prepare(self, request: Request) -> Ready | Failure:
        """Read, decode and scale. Raises EngineError if not even the smallest picture fits, and what `read` raises."""
        prompt = self._count(request)
        if request.read is None:
            return self._text(request, prompt)
        try:
            shown = self._scaler.show(request.read(), self._room(prompt, request))
        except PhotoError as error:
            return Failure(request.id, error)
        return Ready(request, shown, prompt + shown.visual_tokens)

    def _text(self, request: Request, prompt: int) -> Ready | Failure:
        if self._most is not None and prompt + request.decoding.max_new_tokens > self._most:
            answer = request.decoding.max_new_tokens
            detail = f"{prompt} prompt tokens and {answer} new tokens are more than {self._most}"
            return Failure(request.id, PhotoError(Reason.PROMPT_TOO_LONG, detail))
        return Ready(request, None, prompt)

    def _room(self, prompt: int, request: Request) -> Room | None:
        return None if self._most is None else Room(self._most, prompt, request.decoding.max_new_tokens)
