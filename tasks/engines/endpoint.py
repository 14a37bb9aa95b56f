"""Any OpenAI-compatible server: `vllm serve`, `swift deploy`, SGLang. Knows no group, and loads no weights.

Photos are decoded and scaled here and sent as PNG, so that the server finds nothing to scale: as long as its own lower
bound is not above `model.min_pixels`, and its upper bound not below `model.max_pixels`. With the checkpoint's folder at
hand its processor and tokenizer are used; without, Qwen3-VL's published bounds, and an estimate of the prompt's tokens.

Answers are scored by the server's `top_logprobs`, at the first token in which they differ. What they begin with is
handed over by vLLM's and SGLang's `continue_final_message`; with others the model must write it itself.

Special tokens stay in the text if the server is vLLM or SGLang, which are asked to keep them. Sampling has a seed made
from the request's id, if the server heeds seeds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any

from configs.parts import EngineConfig, InputConfig, ModelConfig
from tasks.common.prefetch import prefetch
from tasks.engines.endpoint_client import EndpointClient
from tasks.engines.endpoint_opening import find_server
from tasks.engines.endpoint_questions import Questions
from tasks.engines.endpoint_retry import EndpointRetry
from tasks.engines.endpoint_tokens import TokenCounts
from tasks.engines.photos import Bounds, Scaler
from tasks.engines.preparing import Preparer, Ready
from tasks.engines.prompting import PromptEncoder
from tasks.engines.protocol import Failure, Request, Result, Results
from tasks.engines.silence import Silence

_TEMPLATE_TOKENS = 32
"""Tokens around system and user prompt in Qwen's chat template, rounded up."""


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
        """Ask the server what it serves. Raises CheckpointError, EngineGivenUp, EndpointRefused or EngineError."""
        model, self._config = model or ModelConfig(), engine or EngineConfig()
        self._endpoint = self._config.endpoint
        self._client = EndpointClient(self._endpoint, api_key)
        self._silence = Silence(self._client.url)
        try:
            server = find_server(self._client, self._endpoint, self._silence)
            processor = _processor(checkpoint)
        except BaseException:
            self.close()
            raise
        lengths = [length for length in (model.max_model_len, server.max_model_len) if length is not None]
        prompts = None if processor is None else PromptEncoder(processor)
        bounds = Bounds() if processor is None else Bounds.of(processor.image_processor)
        scaler = Scaler(bounds, model, inputs or InputConfig())
        count = _estimated if prompts is None else (lambda request: len(prompts.encode(request)))
        self._preparer = Preparer(scaler, count, min(lengths, default=None))
        counts = TokenCounts(self._client.url, exact=bool(checkpoint))
        self._questions = Questions(self._client, server, counts, prompts)

    def length(self, request: Request) -> int:
        """See `Engine.length`."""
        return self._preparer.length(request)

    def generate(self, requests: Iterable[Request]) -> Results:
        """See `Engine.generate`. Results come as the server answers."""
        retry = self._retry()
        under_way: set[Future[Result]] = set()
        try:
            depth = self._config.prefetch * self._config.prepare_workers
            with (
                ThreadPoolExecutor(self._config.prepare_workers, thread_name_prefix="prepare") as preparing,
                closing(prefetch(preparing, self._preparer.prepare, requests, depth)) as prepared,
            ):
                for item in prepared:
                    if isinstance(item, Failure):
                        yield item
                        continue
                    if len(under_way) >= self._endpoint.concurrency:
                        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                        yield from (future.result() for future in done)
                    under_way.add(self._begin(item, retry))
                while under_way:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
        finally:
            # After an error nobody waits for what is under way: it ends by itself, and is not tried again.
            retry.stopped.set()

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Result:
        """See `Engine.stream`. Raises EngineUnavailable if the server breaks off once text has come."""
        ready = self._preparer.prepare(request)
        if isinstance(ready, Failure):
            return ready
        return self._questions.stream(ready, self._retry(), on_text)

    def close(self) -> None:
        """Close the connections."""
        self._silence.close()
        self._client.close()

    def _begin(self, ready: Ready, retry: EndpointRetry) -> Future[Result]:
        """Ask in a thread of its own. A daemon: nobody who leaves waits for a server that does not answer."""
        future: Future[Result] = Future()
        place = self._questions.place()

        def ask() -> None:
            try:
                future.set_result(self._questions.ask(ready, retry, place))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=ask, name=f"ask-{place}", daemon=True).start()
        return future

    def _retry(self) -> EndpointRetry:
        return EndpointRetry(
            self._client.url, self._endpoint.deadline_seconds, stopped=threading.Event(), silence=self._silence
        )


def _processor(checkpoint: str) -> Any:
    """The processor of the checkpoint that the server runs, if its folder is at hand."""
    if not checkpoint:
        return None
    from tasks.engines.loading import load_processor

    return load_processor(checkpoint)


def _estimated(request: Request) -> int:
    """Tokens of a prompt: Chinese and ASCII have at most about one a character."""
    return len(request.system) + len(request.user) + _TEMPLATE_TOKENS
