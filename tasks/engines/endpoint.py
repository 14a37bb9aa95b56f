"""Any OpenAI-compatible server: `vllm serve`, `swift deploy`, SGLang. Knows no group, and loads no weights.

Photos are decoded and scaled here and sent as PNG, so that the server finds nothing to scale: as long as its own lower
bound is not above `model.min_pixels`, and its upper bound not below `model.max_pixels`. With the checkpoint's folder at
hand its processor and tokenizer are used; without, Qwen3-VL's published bounds, and an estimate of the prompt's tokens.

Special tokens stay in the text if the server is vLLM or SGLang, which are asked to keep them. Sampling has a seed made
from the request's id, if the server heeds seeds.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any

from configs.parts import EngineConfig, InputConfig, ModelConfig
from tasks.engines.answers import Answer, completion
from tasks.engines.endpoint_client import EndpointClient, Refusal, TryAgain
from tasks.engines.endpoint_refusals import chat_refused, list_refused, pick_model
from tasks.engines.endpoint_replies import ServedModel, Usage
from tasks.engines.patience import Patience
from tasks.engines.photos import Bounds, Scaler
from tasks.engines.preparing import Preparer, Ready
from tasks.engines.protocol import Completion, Failure, FinishReason, Request, Result, Results
from tasks.engines.sampling import request_seed
from tasks.records.ahead import ahead
from tasks.records.errors import EndpointRefused, EngineUnavailable

_TEMPLATE_TOKENS = 32
"""Tokens around system and user prompt in Qwen's chat template, rounded up."""

_PLAIN = {"top_k": -1, "repetition_penalty": 1.0}
_EXTRAS = {"vllm": {**_PLAIN, "skip_special_tokens": False}, "sglang": {**_PLAIN, "skip_special_tokens": False}}
_EXTRAS["swift"] = _PLAIN
"""Fields beyond OpenAI's, by who the server says owns its models: the checkpoint's own sampling defaults must not leak
in. A server that is not known gets none, since it may refuse them."""

_Prepared = tuple[Ready, str]


class EndpointEngine:
    """`Engine` over HTTP."""

    name = "endpoint"

    def __init__(
        self,
        checkpoint: str = "",
        *,
        api_key: str | None = None,
        model: ModelConfig | None = None,
        engine: EngineConfig | None = None,
        inputs: InputConfig | None = None,
    ) -> None:
        """Ask the server what it serves. Raises CheckpointError, EngineUnavailable, EndpointRefused or EngineError."""
        model, self._config = model or ModelConfig(), engine or EngineConfig()
        self._endpoint = self._config.endpoint
        self._client = EndpointClient(self._endpoint, api_key)
        try:
            self._served = self._patience().call(self._models)
            self._model = pick_model(self._served, self._endpoint)
            lengths = [length for length in (model.max_model_len, self._model.max_model_len) if length is not None]
            bounds, count = _processing(checkpoint)
        except BaseException:
            self._client.close()
            raise
        scaler = Scaler(bounds, model, inputs or InputConfig())
        self._preparer = Preparer(scaler, count, min(lengths, default=None))

    def length(self, request: Request) -> int:
        """See `Engine.length`."""
        return self._preparer.length(request)

    def generate(self, requests: Iterable[Request]) -> Results:
        """See `Engine.generate`. Results come as the server answers."""
        patience = self._patience()
        asking = ThreadPoolExecutor(self._endpoint.concurrency, thread_name_prefix="ask")
        under_way: set[Future[Result]] = set()
        try:
            depth = self._config.prefetch * self._config.prepare_workers
            with (
                ThreadPoolExecutor(self._config.prepare_workers, thread_name_prefix="prepare") as preparing,
                closing(ahead(preparing, self._prepare, requests, depth)) as prepared,
            ):
                for item in prepared:
                    if isinstance(item, Failure):
                        yield item
                        continue
                    if len(under_way) >= self._endpoint.concurrency:
                        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                        yield from (future.result() for future in done)
                    under_way.add(asking.submit(self._ask, item, patience))
                while under_way:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
        finally:
            # After an error nobody waits for what is under way: it ends by itself, and is not tried again.
            patience.stopped.set()
            asking.shutdown(wait=False, cancel_futures=True)

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Result:
        """See `Engine.stream`. Raises EngineUnavailable if the server breaks off once text has come."""
        item = self._prepare(request)
        if isinstance(item, Failure):
            return item
        ready, picture = item
        pieces: list[str] = []

        def ask() -> Completion:
            body = {**self._body(ready, picture), "stream_options": {"include_usage": True}}
            finish: FinishReason | None = None
            usage = Usage()
            try:
                for chunk in self._client.chunks(body):
                    usage = chunk.usage or usage
                    for choice in chunk.choices[:1]:
                        finish = choice.finish_reason or finish
                        if choice.delta.content:
                            pieces.append(choice.delta.content)
                            on_text(choice.delta.content)
                if finish is None:
                    raise TryAgain("it ended without a finish reason")
            except TryAgain as error:
                if not pieces:
                    raise
                # Asking again would say the first words twice.
                raise EngineUnavailable(f"{self._client.url} broke off in the middle of an answer: {error}") from error
            except Refusal as error:
                raise self._refused(error, ready) from error
            return self._completion(ready, "".join(pieces), finish, usage)

        return self._patience().call(ask)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _patience(self) -> Patience:
        return Patience(self._client.url, self._endpoint.deadline_seconds, stopped=threading.Event())

    def _prepare(self, request: Request) -> _Prepared | Failure:
        ready = self._preparer.prepare(request)
        if isinstance(ready, Failure):
            return ready
        return ready, f"data:image/png;base64,{base64.b64encode(ready.shown.png()).decode()}"

    def _ask(self, item: _Prepared, patience: Patience) -> Result:
        ready, picture = item
        try:
            chat = patience.call(lambda: self._client.chat(self._body(ready, picture)))
        except Refusal as error:
            raise self._refused(error, ready) from error
        choice = chat.choices[0]
        return self._completion(ready, choice.message.content or "", choice.finish_reason, chat.usage or Usage())

    def _body(self, ready: Ready, picture: str) -> dict[str, Any]:
        request, decoding = ready.request, ready.request.decoding
        # The photo stands before the text, as the chat template of our own engine has it.
        content = [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": request.user}]
        return {
            "model": self._model.id,
            "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": content}],
            "max_tokens": decoding.max_new_tokens,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            # The same for all while it has no effect: ms-swift batches only requests with the same settings.
            "seed": request_seed(request.id, decoding.seed) if decoding.temperature > 0 else decoding.seed,
            **_EXTRAS.get(self._model.owned_by, {}),
        }

    def _completion(self, ready: Ready, text: str, finish: FinishReason, usage: Usage) -> Completion:
        answer = Answer(text, finish, usage.completion_tokens)
        return completion(ready.request.id, answer, usage.prompt_tokens, ready.shown)

    def _models(self) -> list[ServedModel] | None:
        try:
            return self._client.models()
        except Refusal as error:
            raise list_refused(error, self._endpoint) from error

    def _refused(self, error: Refusal, ready: Ready) -> EndpointRefused:
        return chat_refused(error, self._endpoint, self._model, self._served, ready)


def _processing(checkpoint: str) -> tuple[Bounds, Callable[[str, str], int]]:
    """How photos are scaled and prompts counted: as the checkpoint does, or by estimate where there is none."""
    if not checkpoint:
        # Chinese and ASCII have at most about a token a character.
        return Bounds(), lambda system, user: len(system) + len(user) + _TEMPLATE_TOKENS
    from tasks.engines.loading import load_processor
    from tasks.engines.prompting import PromptEncoder

    processor = load_processor(checkpoint)
    prompts = PromptEncoder(processor)
    return Bounds.of(processor.image_processor), lambda system, user: len(prompts.encode(system, user))
