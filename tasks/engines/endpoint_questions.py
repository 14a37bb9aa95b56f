"""Asks a served model about photos; where there is no answer, says whose fault that is. Knows no thread and no file."""

from __future__ import annotations

import base64
import logging
import re
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import torch

from tasks.engines.answers import Answer, completion
from tasks.engines.endpoint_client import EndpointClient, Refusal, TryAgain
from tasks.engines.endpoint_faults import Blame
from tasks.engines.endpoint_refusals import Server, chat_refused, refused_in_a_row
from tasks.engines.endpoint_replies import Usage, finish_of
from tasks.engines.endpoint_tokens import TokenCounts
from tasks.engines.patience import Patience, RequestFails
from tasks.engines.photos import Shown
from tasks.engines.preparing import Ready
from tasks.engines.protocol import Decoding, Failure, FinishReason, Request, Result
from tasks.engines.refused import RefusedPhotos
from tasks.engines.sampling import request_seed
from tasks.records.errors import EngineUnavailable, PhotoError
from tasks.records.reasons import Reason

_log = logging.getLogger(__name__)

_OPENAI = {"presence_penalty": 0.0, "frequency_penalty": 0.0}
"""What OpenAI's own API has: the checkpoint's own sampling defaults, which vLLM follows, must not leak in."""

_PLAIN = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
_EXTRAS = {"vllm": {**_PLAIN, "skip_special_tokens": False}, "sglang": {**_PLAIN, "skip_special_tokens": False}}
_EXTRAS["swift"] = _PLAIN
"""Fields beyond OpenAI's, by who the server says owns its models. A server that is not known gets none, since it may
refuse them."""

_Told = tuple[str, FinishReason, Usage]

_GREY = Shown(torch.full((3, 256, 256), 128, dtype=torch.uint8), 64, 256, 256, None)
"""A picture that no server has a reason to refuse, to compare a photo with."""


class Questions:
    """Questions about photos to one served model. Threads may share it."""

    def __init__(self, client: EndpointClient, server: Server, counts: TokenCounts) -> None:
        self._client = client
        self._server = server
        self._counts = counts
        self._refused = RefusedPhotos()
        self._explained: set[Hashable] = set()
        self._comparing = threading.Lock()
        self._answered = self._failed = float("-inf")  # when the server last gave an answer, and none to compare with
        self._known: Ready | None = None  # the last that it answered

    def place(self) -> int:
        """The place of the next photo in the order of asking."""
        return self._refused.place()

    def ask(self, ready: Ready, patience: Patience, place: int) -> Result:
        """The model's answer, or why there is none for this photo alone.

        Raises EndpointRefused where no photo would be answered, EngineGivenUp at the deadline, else EngineError.
        """
        body = self._body(ready.request, ready.shown)

        def attempt() -> _Told:
            chat = self._client.chat(body)
            text, finish = chat.choices[0].message.content or "", chat.choices[0].finish_reason
            return text, _good_end(finish), chat.usage or Usage()

        return self._settled(ready, place, patience, attempt)

    def stream(self, ready: Ready, patience: Patience, on_text: Callable[[str], None]) -> Result:
        """Like `ask`; `on_text` gets the text as it comes. Raises EngineUnavailable if it breaks off in the middle."""
        body = {**self._body(ready.request, ready.shown), "stream_options": {"include_usage": True}}
        pieces: list[str] = []

        def attempt() -> _Told:
            finish, usage = "", Usage()
            try:
                for chunk in self._client.chunks(body):
                    if patience.silence is not None:
                        patience.silence.heard()
                    usage = chunk.usage or usage
                    for choice in chunk.choices[:1]:
                        finish = choice.finish_reason or finish
                        if choice.delta.content:
                            pieces.append(choice.delta.content)
                            on_text(choice.delta.content)
                if not finish:
                    raise TryAgain("it ended without a finish reason", own=True)
                return "".join(pieces), _good_end(finish), usage
            except TryAgain as error:
                if not pieces:
                    raise
                # Asking again would say the first words twice.
                raise EngineUnavailable(f"{self._client.url} broke off in the middle of an answer: {error}") from error

        return self._settled(ready, self.place(), patience, attempt)

    def _settled(self, ready: Ready, place: int, patience: Patience, attempt: Callable[[], _Told]) -> Result:
        try:
            text, finish, usage = patience.call(attempt, lambda since: self._answers_others(since, ready))
        except Refusal as error:
            if error.blame is Blame.SERVER:
                raise chat_refused(error, self._server, ready) from error
            reason = Reason.CONTENT_REFUSED if error.blame is Blame.CONTENT else Reason.REQUEST_REFUSED
            code = f", code {error.code}" if error.code else ""
            return self._failure(ready, place, reason, f"HTTP {error.status}{code}", str(error))
        except _OddEnd as error:
            return self._failure(ready, place, error.reason, f"finish_reason {error.finish}", str(error))
        except RequestFails as error:
            if isinstance(error.last, _OddEndAgain):
                how = f"finish_reason {error.last.finish}"
                return self._failure(ready, place, Reason.ANSWER_BROKEN_OFF, how, str(error))
            return self._failure(ready, place, Reason.ENGINE_FAILED, "it answers for others", str(error))
        self._answered, self._known = time.monotonic(), ready
        shown = self._counts.compared(ready, usage.prompt_tokens)
        answer = Answer(text, finish, usage.completion_tokens)
        return completion(ready.request.id, answer, usage.prompt_tokens, shown)

    def _failure(self, ready: Ready, place: int, reason: Reason, how: str, words: str) -> Failure:
        """The photo's failure. What a record says of it has no words of the server, which may differ each time."""
        if self._refused.add(place, ready.request.id, (reason, how)):
            raise refused_in_a_row(self._server, ready, words)
        if (reason, how) not in self._explained:
            self._explained.add((reason, how))
            _log.warning(
                "%s has no answer for a photo: %s; the next of this kind are counted only", self._client.url, words
            )
        return Failure(ready.request.id, PhotoError(reason, f"the server has no answer for it: {how}"))

    def _answers_others(self, since: float, ready: Ready) -> bool:
        """Whether the server answered another request since then, or answers one now: the last that it did answer, or
        where there is none the same question about a grey picture, with one token."""
        with self._comparing:
            if self._answered > since or self._failed > since:
                return self._answered > since
            known = self._known or replace(ready, shown=_GREY)
            request = replace(known.request, decoding=Decoding(1))
            try:
                self._client.chat(self._body(request, known.shown))
            except (TryAgain, Refusal):
                self._failed = time.monotonic()
                return False
            self._answered = time.monotonic()
            return True

    def _body(self, request: Request, shown: Shown | None) -> dict[str, Any]:
        decoding = request.decoding
        content: list[dict[str, Any]] = [{"type": "text", "text": request.user}]
        if shown is not None:
            picture = f"data:image/png;base64,{base64.b64encode(shown.png()).decode()}"
            # The photo stands before the text, as the chat template of our own engine has it.
            content.insert(0, {"type": "image_url", "image_url": {"url": picture}})
        return {
            "model": self._server.model.id,
            "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": content}],
            "max_tokens": decoding.max_new_tokens,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            # The same for all while it has no effect: ms-swift batches only requests with the same settings.
            "seed": request_seed(request.id, decoding.seed) if decoding.temperature > 0 else decoding.seed,
            **({"stop": list(decoding.stop)} if decoding.stop else {}),
            **_OPENAI,
            **_EXTRAS.get(self._server.owner, {}),
        }


class _OddEnd(Exception):
    """An answer that ended in a way that asking again does not change."""

    def __init__(self, reason: Reason, finish: str) -> None:
        self.reason = reason
        self.finish = finish
        super().__init__(f"finish_reason {finish}")


class _OddEndAgain(TryAgain):
    """An answer that ended in a way that may be another one next time."""

    def __init__(self, finish: str) -> None:
        self.finish = finish
        super().__init__(f"an answer that ended with finish_reason {finish}", own=True)


_ENDS = {
    "content_filter": Reason.CONTENT_REFUSED,
    "repetition": Reason.ANSWER_REPEATS,
}
_WORD = re.compile(r"[a-z_]{1,40}")


def _good_end(reason: str | None) -> FinishReason:
    """What a finish reason stands for. Raises _OddEnd, or _OddEndAgain where another attempt may help."""
    finish = finish_of(reason)
    if finish is not None:
        return finish
    if reason is not None and reason in _ENDS:
        raise _OddEnd(_ENDS[reason], reason)
    # Others may be anything: a record takes a short word of them, or none.
    raise _OddEndAgain(reason if reason and _WORD.fullmatch(reason) else "of no known name")
