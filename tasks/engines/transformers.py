"""The default engine: Qwen3-VL's own weights by Hugging Face transformers, batches across groups. Knows no group.

Photos are fetched, decoded and patchified in threads while the device generates, and enter its batch as others leave
it. What the device does with them is in `tasks.engines.qwen`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import torch

from configs.parts import EngineConfig, InputConfig, ModelConfig
from tasks.engines.answers import Pieces, completion, read_answer
from tasks.engines.loading import end_tokens, load_model, load_processor, longest_request, pick_device
from tasks.engines.photos import Bounds, Scaler, Shown
from tasks.engines.preparing import Preparer
from tasks.engines.prompting import PromptEncoder, PromptIds
from tasks.engines.protocol import Failure, Request, Result, Results
from tasks.engines.qwen.generator import Asked, Generator
from tasks.engines.qwen.patches import Patched, cut
from tasks.engines.qwen.vision import Normalisation
from tasks.engines.rolling import Rolling, Source
from tasks.engines.running import device_errors
from tasks.engines.sampling import RowSampling


@dataclass(frozen=True, slots=True)
class _Row:
    """A request that is ready for the device."""

    request: Request
    shown: Shown
    patched: Patched
    tokens: int


class TransformersEngine:
    """`Engine` on one device. Greedy unless a request says otherwise; float32 on a CPU, bfloat16 on CUDA."""

    name = "transformers"

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
        model = model or ModelConfig()
        self._device = pick_device(device)
        processor = load_processor(checkpoint)
        images = processor.image_processor
        self._patch, self._merge = images.patch_size, images.merge_size
        self._tokenizer = processor.tokenizer
        self._prompts = PromptEncoder(processor)
        loaded = load_model(checkpoint, adapters, model, self._device)
        self._ends = end_tokens(loaded.generation_config)
        self._generator = Generator(
            loaded.get_base_model() if adapters else loaded, Normalisation.of(images), self._ends
        )
        self._preparer = Preparer(
            Scaler(Bounds.of(images), model, inputs or InputConfig()),
            lambda system, user: len(self._prompts.encode(system, user)),
            longest_request(model, loaded.config.text_config.max_position_embeddings),
        )
        self._rolling = Rolling(engine or EngineConfig(), self._prepare)

    def length(self, request: Request) -> int:
        """See `Engine.length`."""
        return self._preparer.length(request)

    def generate(self, requests: Iterable[Request]) -> Results:
        """See `Engine.generate`. Requests with different prompts do not share a batch."""
        for (system, user), some in groupby(requests, key=lambda request: (request.system, request.user)):
            yield from self._rolling.results(some, partial(self._answer, self._prompts.encode(system, user)))

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Result:
        """See `Engine.stream`."""
        row = self._prepare(request)
        if isinstance(row, Failure):
            return row
        pieces = Pieces(self._tokenizer, self._ends, on_text)
        prompt, decoding = self._prompts.encode(request.system, request.user), request.decoding
        sampling = RowSampling([(request.id, decoding)])
        with device_errors(self._device, lambda: [row]):
            (ids,) = self._generator.answers(
                prompt,
                [row.patched],
                decoding.max_new_tokens,
                sampling,
                lambda _, token: pieces.add(token),
            )
        pieces.finish()
        return self._completion(row, ids)

    def close(self) -> None:
        """Drop the weights and give the device's memory back."""
        del self._generator
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _prepare(self, request: Request) -> _Row | Failure:
        ready = self._preparer.prepare(request)
        if isinstance(ready, Failure):
            return ready
        patched = cut(ready.shown.picture, self._patch, self._merge)
        return _Row(request, ready.shown, patched, ready.tokens)

    def _answer(self, prompt: PromptIds, source: Source[_Row]) -> Iterator[Result]:
        """Results of the rows from `source`, all of this prompt."""
        rows: dict[int, _Row] = {}
        sampling = RowSampling()

        def enter(count: int) -> list[Asked]:
            entering = {sampling.add(row.request.id, row.request.decoding): row for row in source(count)}
            rows.update(entering)
            return [Asked(number, row.patched, row.request.decoding.max_new_tokens) for number, row in entering.items()]

        answers = self._generator.run(prompt, enter, sampling)
        while True:
            with device_errors(self._device, lambda: list(rows.values())):
                answer = next(answers, None)
            if answer is None:
                return
            number, ids = answer
            sampling.drop(number)
            yield self._completion(rows.pop(number), ids)

    def _completion(self, row: _Row, ids: list[int]) -> Result:
        return completion(row.request.id, read_answer(self._tokenizer, ids, self._ends), row.tokens, row.shown)
