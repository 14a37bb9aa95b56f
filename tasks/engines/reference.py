"""transformers' own `generate`, one request at a time: what the other engines are held against.

Plain on purpose. The checkpoint's own processor and chat template make the inputs, and one call of `generate` answers
them, or one forward pass scores an answer. Only the photo's pixels are those that every engine is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from transformers import LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from configs.parts import EngineConfig, InputConfig, ModelConfig
from tasks.engines.answers import Pieces, StopStrings, Streamer, before_stop, completion, read_answer
from tasks.engines.loading import end_tokens, load_model, load_processor, longest_request, pick_device
from tasks.engines.photos import Bounds, Scaler
from tasks.engines.preparing import Preparer, Ready
from tasks.engines.prompting import PromptEncoder, same_beginning
from tasks.engines.protocol import Failure, Request, Result, Results, Scores
from tasks.engines.sampling import RowSampling
from tasks.engines.static_batches import device_errors
from tasks.records.errors import CheckpointError

Inputs = Mapping[str, torch.Tensor]
"""What the model is called with: `input_ids` int64 [1, tokens], and for a photo `pixel_values`, `image_grid_thw`."""


class ReferenceEngine:
    """`Engine` on one device, as slow as it is simple. Samples are drawn as the default engine draws them."""

    name = "reference"

    def __init__(
        self,
        checkpoint: str,
        adapters: tuple[str, ...] | list[str] = (),
        *,
        device: str = "auto",
        model: ModelConfig | None = None,
        engine: EngineConfig | None = None,
        inputs: InputConfig | None = None,
    ) -> None:
        """Load. Raises CheckpointError, DeviceOutOfMemory, EngineError or EngineMissing."""
        model = model or ModelConfig()
        self._device = pick_device(device)
        self._processor = load_processor(checkpoint)
        self._model = load_model(checkpoint, adapters, model, self._device)
        self._ends = end_tokens(self._model.generation_config)
        prompts = PromptEncoder(self._processor)
        self._preparer = Preparer(
            Scaler(Bounds.of(self._processor.image_processor), model, inputs or InputConfig()),
            lambda request: len(prompts.encode(request)),
            longest_request(model, self._model.config.text_config.max_position_embeddings),
        )

    def length(self, request: Request) -> int:
        """See `Engine.length`."""
        return self._preparer.length(request)

    def generate(self, requests: Iterable[Request]) -> Results:
        """See `Engine.generate`. In the order of the requests."""
        for request in requests:
            yield self._result(request)

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Result:
        """See `Engine.stream`."""
        return self._result(request, Streamer(Pieces(self._processor.tokenizer, self._ends, on_text)))

    def close(self) -> None:
        """Drop the weights and give the device's memory back."""
        del self._model
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _result(self, request: Request, streamer: Streamer | None = None) -> Result:
        ready = self._preparer.prepare(request)
        if isinstance(ready, Failure):
            return ready
        with device_errors(self._device, lambda: [ready]):
            if request.continuations:
                return self._scores(ready)
            inputs = self._inputs(ready)
            ids = write(self._model, inputs, request, self._processor.tokenizer, streamer)
        tokenizer, stop = self._processor.tokenizer, request.decoding.stop
        answer = before_stop(read_answer(tokenizer, ids, self._ends), stop)
        return completion(request.id, answer, inputs["input_ids"].shape[1], ready.shown)

    def _scores(self, ready: Ready) -> Scores:
        prompt = self._inputs(ready)["input_ids"][0].tolist()
        log_probs, tokens = [], []
        for text in ready.request.continuations:
            inputs = self._inputs(ready, text)
            ids = inputs["input_ids"][0].tolist()
            given = len(ids) - same_beginning(prompt, ids)
            if not 0 < given < len(ids):
                raise CheckpointError(f"the tokenizer leaves nothing of the prompt, or of the answer {text!r}")
            log_probs.append(log_prob(self._model, inputs, given))
            tokens.append(given)
        return Scores(ready.request.id, tuple(log_probs), tuple(tokens), len(prompt))

    def _inputs(self, ready: Ready, answer: str = "") -> Inputs:
        """What the checkpoint's processor makes of prompt and photo, and of an answer behind them."""
        request, shown = ready.request, ready.shown
        photo = [] if shown is None else [{"type": "image"}]
        chat = [
            {"role": "system", "content": [{"type": "text", "text": request.system}]},
            {"role": "user", "content": [*photo, {"type": "text", "text": request.user}]},
        ]
        text = self._processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) + answer
        images = {} if shown is None else {"images": [shown.picture], "do_resize": False}
        made: Inputs = self._processor(text=[text], return_tensors="pt", **images).to(self._device)
        return made


@torch.inference_mode()
def write(
    model: Any, inputs: Inputs, request: Request, tokenizer: Any = None, streamer: Streamer | None = None
) -> list[int]:
    """The tokens that `generate` writes, with the one that ends them. `tokenizer` is needed for stop strings alone."""
    decoding, prompt = request.decoding, inputs["input_ids"].shape[1]
    sampled = [RowSampling([(request.noise, decoding)])] if decoding.temperature > 0 else []
    stops = [_AtStopString(StopStrings(tokenizer, decoding.stop), prompt)] if decoding.stop else []
    output = model.generate(
        **inputs,
        max_new_tokens=decoding.max_new_tokens,
        do_sample=False,  # sampling is noise on top of it, which depends on the request alone
        logits_processor=LogitsProcessorList(sampled),
        stopping_criteria=StoppingCriteriaList(stops),
        streamer=streamer,
    )
    ids: list[int] = output[0, prompt:].tolist()
    return ids


@torch.inference_mode()
def log_prob(model: Any, inputs: Inputs, given: int) -> float:
    """The log-probability of the last `given` tokens after those before them, by one forward pass over all."""
    logits = model(**inputs, use_cache=False, logits_to_keep=given + 1).logits[0, :-1]
    wanted = inputs["input_ids"][0, -given:, None]
    return float(logits.double().log_softmax(-1).gather(1, wanted).sum())


class _AtStopString(StoppingCriteria):  # type: ignore[misc]
    """Ends an answer that holds a stop string. transformers' own looks for strings token by token, and finds none whose
    characters lie across tokens, as Chinese ones may."""

    def __init__(self, stops: StopStrings, prompt: int) -> None:
        self._stops = stops
        self._prompt = prompt

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **_: Any) -> torch.Tensor:
        """Ids [1, tokens] to whether the answer has ended, bool [1]."""
        found = self._stops.found(input_ids[0, self._prompt :].tolist())
        return torch.tensor([found], device=input_ids.device)
