"""Asks a served model about photos; where there is no answer, says whose fault that is."""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, TypeVar

import torch

from tasks.engines.answers import Answer, completion, to_text
from tasks.engines.endpoint_client import EndpointClient, Refusal, TryAgain
from tasks.engines.endpoint_ends import UnusualEnd, UnusualEndAgain, good_end
from tasks.engines.endpoint_faults import Blame
from tasks.engines.endpoint_refusals import Server, chat_refused, refused_in_a_row
from tasks.engines.endpoint_replies import Chat, Usage
from tasks.engines.endpoint_retry import EndpointRetry, RequestFails
from tasks.engines.endpoint_tokens import TokenCounts
from tasks.engines.photos import Shown
from tasks.engines.preparing import Ready
from tasks.engines.prompting import PromptEncoder
from tasks.engines.protocol import Decoding, Failure, FinishReason, Request, Result
from tasks.engines.refused import RefusedPhotos
from tasks.engines.sampling import request_seed
from tasks.engines.top_logprobs import TOP, scores
from tasks.records.errors import EngineUnavailable, NoScores, PhotoError
from tasks.records.reasons import Reason

_log = logging.getLogger(__name__)

_OPENAI = {"presence_penalty": 0.0, "frequency_penalty": 0.0}
"""What OpenAI's own API has: the checkpoint's own sampling defaults, which vLLM follows, must not leak in."""

_PLAIN = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
_EXTRAS = {"vllm": {**_PLAIN, "skip_special_tokens": False}, "sglang": {**_PLAIN, "skip_special_tokens": False}}
_EXTRAS["swift"] = _PLAIN
"""Fields beyond OpenAI's, by who the server says owns its models. A server that is not known gets none, since it may
refuse them."""

_T = TypeVar("_T")
_Told = tuple[str, FinishReason, Usage]

_GREY = Shown(torch.full((3, 256, 256), 128, dtype=torch.uint8), 64, 256, 256, None)
"""A picture that no server has a reason to refuse, to compare a photo with."""

_GREETING = "你好"
"""The same, to compare a text with."""

_CONTINUES: dict[str, dict[str, Any]] = {
    "vllm": {"continue_final_message": True, "add_generation_prompt": False},
    "sglang": {"continue_final_message": True},
}
"""Fields that let an answer go on where the last message ends, by who the server says owns its models."""


class Questions:
    """Questions about photos to one served model. Threads may share it."""

    def __init__(
        self, client: EndpointClient, server: Server, counts: TokenCounts, prompts: PromptEncoder | None
    ) -> None:
        """`prompts` has the tokenizer of the served checkpoint, if its folder is at hand; it is needed for scores."""
        self._client = client
        self._server = server
        self._counts = counts
        self._prompts = prompts
        self._refused = RefusedPhotos()
        self._explained: set[Hashable] = set()
        self._comparing = threading.Lock()
        self._answered = self._failed = float("-inf")  # when the server last gave an answer, and none to compare with
        self._known: dict[bool, Ready] = {}  # the last that it answered, with a photo and without one

    def place(self) -> int:
        """The place of the next photo in the order of asking."""
        return self._refused.place()

    def ask(self, ready: Ready, retry: EndpointRetry, place: int) -> Result:
        """The model's answer or scores, or why there is none for this photo alone.

        Raises EndpointRefused where no photo would be answered, EngineGivenUp at the deadline, NoScores, else
        EngineError.
        """
        if ready.request.continuations:
            return self._scored(ready, retry, place)
        body = self._body(ready.request, ready.shown)

        def attempt() -> _Told:
            chat = self._client.chat(body)
            text, finish = chat.choices[0].message.content or "", chat.choices[0].finish_reason
            return text, good_end(finish), chat.usage or Usage()

        return self._settled(ready, place, retry, attempt, self._completion)

    def stream(self, ready: Ready, retry: EndpointRetry, on_text: Callable[[str], None]) -> Result:
        """Like `ask`; `on_text` gets the text as it comes. Raises EngineUnavailable if it breaks off in the middle."""
        body = {**self._body(ready.request, ready.shown), "stream_options": {"include_usage": True}}
        pieces: list[str] = []

        def attempt() -> _Told:
            finish, usage = "", Usage()
            try:
                for chunk in self._client.chunks(body):
                    if retry.silence is not None:
                        retry.silence.heard()
                    usage = chunk.usage or usage
                    for choice in chunk.choices[:1]:
                        finish = choice.finish_reason or finish
                        if choice.delta.content:
                            pieces.append(choice.delta.content)
                            on_text(choice.delta.content)
                if not finish:
                    raise TryAgain("it ended without a finish reason", own=True)
                return "".join(pieces), good_end(finish), usage
            except TryAgain as error:
                if not pieces:
                    raise
                # Asking again would say the first words twice.
                raise EngineUnavailable(f"{self._client.url} broke off in the middle of an answer: {error}") from error

        return self._settled(ready, self.place(), retry, attempt, self._completion)

    def _scored(self, ready: Ready, retry: EndpointRetry, place: int) -> Result:
        url = self._client.url
        if self._prompts is None:
            raise NoScores(
                f"{url}: answers are compared where their tokens differ, and only the checkpoint's tokenizer knows "
                "where: give the folder of what the server runs (model.base)"
            )
        prompts, where = self._prompts, self._prompts.branching(ready.request)
        handed_over = _CONTINUES.get(self._server.owner) if where.common else None
        request = replace(ready.request, decoding=Decoding(1 if handed_over else len(where.common) + 1))
        body = {**self._body(request, ready.shown), "logprobs": True, "top_logprobs": TOP}
        if handed_over:
            beginning = {"role": "assistant", "content": to_text(prompts.tokenizer, where.common)}
            body |= {"messages": [*body["messages"], beginning], **handed_over}

        def read(ready: Ready, chat: Chat) -> Result:
            choice, usage = chat.choices[0], chat.usage or Usage()
            if choice.logprobs is None and choice.message.content:
                raise NoScores(f"{url} gives no log-probabilities; use engine kind transformers")
            counted = max(0, usage.prompt_tokens - (len(where.common) if handed_over else 0))
            written = not handed_over
            return scores(ready.request, where, choice.logprobs, prompts.tokenizer, counted, written=written)

        return self._settled(ready, place, retry, lambda: self._client.chat(body), read)

    def _completion(self, ready: Ready, told: _Told) -> Result:
        text, finish, usage = told
        shown = self._counts.compared(ready, usage.prompt_tokens)
        answer = Answer(text, finish, usage.completion_tokens)
        return completion(ready.request.id, answer, usage.prompt_tokens, shown)

    def _settled(
        self,
        ready: Ready,
        place: int,
        retry: EndpointRetry,
        attempt: Callable[[], _T],
        read: Callable[[Ready, _T], Result],
    ) -> Result:
        try:
            told = retry.call(attempt, lambda since: self._answers_others(since, ready))
        except Refusal as error:
            if error.blame is Blame.SERVER:
                raise chat_refused(error, self._server, ready) from error
            reason = Reason.CONTENT_REFUSED if error.blame is Blame.CONTENT else Reason.REQUEST_REFUSED
            code = f", code {error.code}" if error.code else ""
            return self._failure(ready, place, reason, f"HTTP {error.status}{code}", str(error))
        except UnusualEnd as error:
            return self._failure(ready, place, error.reason, f"finish_reason {error.finish}", str(error))
        except RequestFails as error:
            if isinstance(error.last, UnusualEndAgain):
                how = f"finish_reason {error.last.finish}"
                return self._failure(ready, place, Reason.ANSWER_BROKEN_OFF, how, str(error))
            return self._failure(ready, place, Reason.ENGINE_FAILED, "it answers for others", str(error))
        self._answered = time.monotonic()
        self._known[ready.shown is not None] = ready
        return read(ready, told)

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
        """Whether the server answered another request since then, or answers one now, with one token: the last of its
        kind that it did answer, or where there is none one that no server has a reason to refuse."""
        with self._comparing:
            if self._answered > since or self._failed > since:
                return self._answered > since
            known = self._known.get(ready.shown is not None) or _harmless(ready)
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
            "seed": request_seed(request.noise, decoding.seed) if decoding.temperature > 0 else decoding.seed,
            **({"stop": list(decoding.stop)} if decoding.stop else {}),
            **_OPENAI,
            **_EXTRAS.get(self._server.owner, {}),
        }


def _harmless(ready: Ready) -> Ready:
    """The same question about a grey picture; or, where the question is all, another one, also without a photo."""
    if ready.shown is not None:
        return replace(ready, shown=_GREY)
    return replace(ready, request=replace(ready.request, system=_GREETING, user=_GREETING))
