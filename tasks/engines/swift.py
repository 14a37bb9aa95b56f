"""ms-swift's inference engines: its transformers, vLLM, SGLang and LMDeploy back ends. Knows no group.

Photos are decoded and scaled here, so that ms-swift sees good pictures only and changes none of them. Prompts pass its
own template code, and are refused if that makes other tokens of them than the checkpoint's template does.

What a back end cannot do:
- Sampling: transformers samples as our own engine does, by request. vLLM and LMDeploy are asked one request at a time
  when a request samples, with a seed made from its id; ms-swift passes no seed on to SGLang, so that its sampled texts
  cannot be repeated.
- Scores: answers are compared by the first token that differs; what they begin with, the model must write itself.
  SGLang gives none.
- vLLM takes one adapter, SGLang and LMDeploy take none. ms-swift 4.6 drives LMDeploy below 0.9 alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from typing import Any

import torch

from configs.parts import EngineConfig, InputConfig, ModelConfig
from tasks.engines.answers import Answer, Pieces, Streamer, before_stop, completion, read_answer
from tasks.engines.loading import load_processor, longest_request, own_length, pick_device
from tasks.engines.photos import Bounds, Scaler
from tasks.engines.preparing import Preparer, Ready
from tasks.engines.prompting import PromptEncoder
from tasks.engines.protocol import Decoding, Failure, FinishReason, Request, Result, Results
from tasks.engines.refused import RefusedPhotos
from tasks.engines.sampling import request_seed
from tasks.engines.static_batches import Batches, device_errors
from tasks.engines.swift_loading import open_swift
from tasks.engines.swift_requests import Hook, chat_of, one_placeholder
from tasks.engines.top_logprobs import TOP, Logprobs, scores
from tasks.records.errors import CheckpointError, EngineError, FieldcheckError, NoScores, PhotoError
from tasks.records.photos import on_one_line
from tasks.records.reasons import Reason

_log = logging.getLogger(__name__)

_OF_THE_DEVICE = (torch.OutOfMemoryError, torch.AcceleratorError, MemoryError)
"""Errors that are no request's own, whichever they are told for."""

_AHEAD = 4
"""Batches handed over at once to a back end that makes batches itself."""


class SwiftEngine:
    """`Engine` over ms-swift. `name` also tells the back end, such as `swift/vllm`."""

    def __init__(
        self,
        checkpoint: str,
        adapters: Sequence[str] = (),
        *,
        device: str = "auto",
        model: ModelConfig | None = None,
        engine: EngineConfig | None = None,
        inputs: InputConfig | None = None,
    ) -> None:
        """Load. Raises CheckpointError, DeviceOutOfMemory, EngineError or EngineMissing."""
        model, config = model or ModelConfig(), engine or EngineConfig()
        self.name = f"swift/{config.backend}"
        self._own_batches = config.backend != "transformers"
        self._device = pick_device(device)
        processor = load_processor(checkpoint)
        self._tokenizer = processor.tokenizer
        self._placeholder: int = processor.image_token_id
        self._prompts = PromptEncoder(processor)
        most = longest_request(model, own_length(checkpoint))
        self._swift = open_swift(checkpoint, adapters, device, model, config, most)
        self._swift.max_model_len = most
        # Where a back end makes batches itself, what fails with one photo is told in its place, and ends no other.
        self._swift.strict = not self._own_batches
        self._refused = RefusedPhotos()
        # ms-swift's stop words for this architecture.
        self._ends = frozenset(self._tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"]))
        self._checked: set[tuple[str, str]] = set()
        scaler = Scaler(Bounds.of(processor.image_processor), model, inputs or InputConfig())
        self._preparer = Preparer(scaler, lambda request: len(self._prompts.encode(request)), most)
        self._batches = Batches(
            config, self._preparer.length, self._preparer.prepare, lambda rows: self._forward(rows, None)
        )
        self._most_items = config.batch_size * _AHEAD if self._own_batches else config.batch_size

    def length(self, request: Request) -> int:
        """See `Engine.length`."""
        return self._preparer.length(request)

    def generate(self, requests: Iterable[Request]) -> Results:
        """See `Engine.generate`. Requests that are decoded in different ways do not share a batch."""

        def alike(request: Request) -> tuple[Decoding, bool]:
            return request.decoding, bool(request.continuations)

        for (decoding, _), asked in groupby(map(self._asked, requests), key=alike):
            alone = self._own_batches and decoding.temperature > 0
            yield from self._batches.results(asked, 1 if alone else self._most_items)

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Result:
        """See `Engine.stream`."""
        ready = self._preparer.prepare(request)
        if isinstance(ready, Failure):
            return ready
        if self._own_batches:
            return self._streamed(ready, on_text)
        return self._forward([ready], Streamer(Pieces(self._tokenizer, self._ends, on_text)))[0]

    def close(self) -> None:
        """Drop the weights and give the device's memory back."""
        del self._swift
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _asked(self, request: Request) -> Request:
        """To be scored is what is written up to the first token in which the continuations differ."""
        if not request.continuations:
            return request
        return replace(request, decoding=Decoding(len(self._prompts.branching(request).common) + 1))

    def _forward(self, rows: list[Ready], streamer: Streamer | None) -> list[Result]:
        answers = self._answers(rows, streamer)
        return [self._result(row, answer) for row, answer in zip(rows, answers, strict=True)]

    def _answers(self, rows: list[Ready], streamer: Streamer | None) -> list[Any]:
        """ms-swift's answer for each row, or the exception that it raises for that row alone."""
        asked = [self._infer_request(row) for row in rows]
        config = self._request_config(rows[0].request)
        try:
            with device_errors(self._device, lambda: rows):
                if not self._own_batches:
                    return list(self._swift._infer(asked, config, pre_infer_hook=Hook(rows, streamer)))
                answers: list[Any] = self._swift.infer(asked, config, use_tqdm=False)
                for answer in answers:
                    if isinstance(answer, _OF_THE_DEVICE):
                        raise answer
                return answers
        except FieldcheckError:
            raise
        except Exception as error:  # whatever a back end raises
            if len(rows) == 1:
                return [error]
        return [answer for row in rows for answer in self._answers([row], None)]

    def _result(self, row: Ready, answer: Any) -> Result:
        place = self._refused.place()
        if isinstance(answer, Exception):
            return self._failure(row, place, Reason.ENGINE_FAILED, type(answer).__name__, answer)
        if row.request.continuations:
            return self._scores(row, answer.choices[0])
        try:
            whole = before_stop(self._answer(answer.choices[0]), row.request.decoding.stop)
            return completion(row.request.id, whole, row.tokens, row.shown)
        except _UnusualEnd as error:
            return self._failure(row, place, error.reason, str(error), error)

    def _scores(self, row: Ready, choice: Any) -> Result:
        if choice.logprobs is None and choice.message.content:
            raise NoScores(f"{self.name} gives no log-probabilities; use engine kind transformers")
        places = None if choice.logprobs is None else Logprobs.model_validate(choice.logprobs)
        where = self._prompts.branching(row.request)
        return scores(row.request, where, places, self._tokenizer, row.tokens, written=True)

    def _failure(self, row: Ready, place: int, reason: Reason, how: str, error: Exception) -> Failure:
        """The photo's failure. Raises EngineError where it is the third of different photos in a row, all alike."""
        if self._refused.add(place, row.request.id, (reason, how)):
            raise EngineError(
                f"{self.name} has no answer for three different photos in a row, each time alike: that is its fault, "
                f"not the photos'. The last: {error}; try engine kind transformers"
            ) from error
        _log.warning("%s has no answer for photo %s: %s", self.name, row.request.id, on_one_line(str(error)))
        return Failure(row.request.id, PhotoError(reason, f"{self.name} has no answer for it: {how}"))

    def _streamed(self, row: Ready, on_text: Callable[[str], None]) -> Result:
        """A back end's own stream: pieces as ms-swift cuts them, between words. Its token ids are not in it."""
        pieces: list[str] = []
        tokens, finish = 0, None
        asked, config = [self._infer_request(row)], self._request_config(row.request, stream=True)
        self._swift.strict = True  # else a stream that fails ends as if it were whole
        try:
            with self._errors([row]):
                for chunk in self._swift.infer(asked, config, use_tqdm=False)[0]:
                    piece = chunk.choices[0].delta.content
                    finish = chunk.choices[0].finish_reason or finish
                    tokens = chunk.usage.completion_tokens if chunk.usage else tokens
                    if piece:
                        pieces.append(piece)
                        on_text(piece)
            answer = Answer("".join(pieces), _finish(finish), tokens)
        except _UnusualEnd as error:
            return self._failure(row, self._refused.place(), error.reason, str(error), error)
        finally:
            self._swift.strict = not self._own_batches
        return completion(row.request.id, answer, row.tokens, row.shown)

    def _answer(self, choice: Any) -> Answer:
        if choice.token_ids is None:
            raise EngineError("ms-swift gave no token ids for an answer; use ms-swift 4.6 or engine kind transformers")
        answer = read_answer(self._tokenizer, choice.token_ids, self._ends)
        if answer.finish_reason == "stop":
            return answer
        # ms-swift drops an end token that is also the padding, and a back end may drop every end token.
        return Answer(answer.text, _finish(choice.finish_reason), answer.tokens)

    @contextmanager
    def _errors(self, rows: Sequence[Ready]) -> Iterator[None]:
        try:
            with device_errors(self._device, lambda: rows):
                yield
        except FieldcheckError:
            raise
        except Exception as error:  # whatever a back end raises
            raise EngineError(f"{self.name} failed on {len(rows)} photos: {error}") from error

    def _infer_request(self, row: Ready) -> Any:
        key = (row.request.system, row.request.user)
        if key not in self._checked:
            self._check_prompt(row)
            self._checked.add(key)
        return chat_of(row)

    def _check_prompt(self, row: Ready) -> None:
        if not self._own_batches:
            self._swift.template.set_mode("transformers")
        with self._errors([row]):
            found = self._swift.template.encode(chat_of(row))["input_ids"]
        prompt = self._prompts.encode(row.request)
        # LMDeploy's placeholder is -100.
        rendered = [self._placeholder if token == -100 else token for token in found]
        if one_placeholder(rendered, self._placeholder) != self._prompts.with_photo(prompt, int(row.shown is not None)):
            raise CheckpointError(
                "ms-swift's template makes other tokens of this prompt than the checkpoint's chat template; take tags "
                "such as <image> out of the prompt, or use engine kind transformers"
            )

    def _request_config(self, request: Request, *, stream: bool = False) -> Any:
        from swift.infer_engine import RequestConfig

        decoding = request.decoding
        # Sampling in the transformers back end is done by RowSampling, on top of greedy decoding.
        sampled = self._own_batches and decoding.temperature > 0
        return RequestConfig(
            max_tokens=decoding.max_new_tokens,
            temperature=decoding.temperature if sampled else 0.0,
            top_p=decoding.top_p if sampled else 1.0,
            top_k=-1 if self.name in {"swift/vllm", "swift/sglang"} else 0,
            min_p=0.0,
            repetition_penalty=1.0,
            seed=request_seed(request.noise, decoding.seed),
            stop=list(decoding.stop),
            logprobs=bool(request.continuations),
            top_logprobs=TOP if request.continuations else None,
            stream=stream,
            return_details=not stream,
        )


class _UnusualEnd(Exception):
    """An answer that ended neither by itself nor at its limit."""

    def __init__(self, finish: str | None) -> None:
        self.reason = Reason.ANSWER_REPEATS if finish == "repetition" else Reason.ANSWER_BROKEN_OFF
        super().__init__(f"finish_reason {finish if finish and finish.isidentifier() else 'of no known name'}")


def _finish(reason: str | None) -> FinishReason:
    if reason not in {"stop", "length"}:
        raise _UnusualEnd(reason)
    return "stop" if reason == "stop" else "length"
