"""The default engine: Qwen3-VL's own weights by Hugging Face transformers, batches across groups. Knows no group.

Photos are fetched, decoded and patchified in threads while the device generates, and enter its batch as others leave
it. What the device does with them is in `tasks.engines.qwen`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby

import torch

from configs.parts import EngineConfig, InputConfig, ModelConfig
from tasks.engines.answers import Pieces, StopStrings, before_stop, completion, read_answer
from tasks.engines.continuous_batching import ContinuousBatching, Source
from tasks.engines.loading import end_tokens, load_model, load_processor, longest_request, pick_device
from tasks.engines.photos import Bounds, Patches, Scaler, patchify
from tasks.engines.preparing import Preparer, Ready
from tasks.engines.prompting import PromptEncoder
from tasks.engines.protocol import Failure, Request, Result, Results, Scores
from tasks.engines.qwen.generator import Generator
from tasks.engines.qwen.vision import Normalisation
from tasks.engines.sequence import Sequence
from tasks.engines.static_batches import device_errors


class TransformersEngine:
    """`Engine` on one device. Greedy unless a request says otherwise; float32 on a CPU, bfloat16 on CUDA."""

    name = "transformers"

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
            lambda request: len(self._prompts.encode(request)),
            longest_request(model, loaded.config.text_config.max_position_embeddings),
        )
        self._batching = ContinuousBatching(engine or EngineConfig(), self._prepare)

    def length(self, request: Request) -> int:
        """See `Engine.length`."""
        return self._preparer.length(request)

    def generate(self, requests: Iterable[Request]) -> Results:
        """See `Engine.generate`. Requests share a batch if their prompts begin with the same tokens, up to the photo or
        to the end of what they share. Scores have no batch mates: in company their last digits would be others."""
        for (shared, is_scored), some in groupby(requests, key=self._kind):
            if is_scored:
                yield from map(self._score, some)
            else:
                yield from map(self._result, self._batching.results(some, partial(self._run, shared)))

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Result:
        """See `Engine.stream`."""
        sequence = self._prepare(request)
        if isinstance(sequence, Failure):
            return sequence
        pieces = Pieces(self._tokenizer, self._ends, on_text)
        waiting = [sequence]

        def source(_: int) -> list[Sequence]:
            return [waiting.pop()] if waiting else []

        with device_errors(self._device, lambda: [sequence]):
            for _ in self._generator.run(sequence.prompt.shared, source, pieces.add):
                pass
        pieces.finish()
        return self._result(sequence)

    def close(self) -> None:
        """Drop the weights and give the device's memory back."""
        del self._generator
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _prepare(self, request: Request) -> Sequence | Failure:
        ready = self._preparer.prepare(request)
        if isinstance(ready, Failure):
            return ready
        stop = request.decoding.stop
        return Sequence(
            request,
            self._prompts.encode(request),
            ready.shown,
            self._patches(ready),
            stops=StopStrings(self._tokenizer, stop) if stop else None,
        )

    def _patches(self, ready: Ready) -> Patches | None:
        return None if ready.shown is None else patchify(ready.shown.picture, self._patch, self._merge)

    def _kind(self, request: Request) -> tuple[tuple[int, ...], bool]:
        """What requests have in common that are answered together."""
        return self._prompts.encode(request).shared, bool(request.continuations)

    def _score(self, request: Request) -> Scores | Failure:
        ready = self._preparer.prepare(request)
        if isinstance(ready, Failure):
            return ready
        answers = [self._prompts.answered(request, text) for text in request.continuations]
        with device_errors(self._device, lambda: [ready]):
            log_probs = self._generator.score(answers, self._patches(ready))
        return Scores(request.id, tuple(log_probs), tuple(len(given) for _, given in answers), ready.tokens)

    def _run(self, shared: tuple[int, ...], source: Source) -> Iterator[Sequence]:
        """The sequences from `source` as they finish, all with this beginning."""
        running: dict[int, Sequence] = {}

        def enter(count: int) -> list[Sequence]:
            entering = source(count)
            running.update((id(one), one) for one in entering)
            return entering

        finished = self._generator.run(shared, enter)
        while True:
            with device_errors(self._device, lambda: list(running.values())):
                sequence = next(finished, None)
            if sequence is None:
                return
            del running[id(sequence)]
            yield sequence

    def _result(self, finished: Sequence | Failure) -> Result:
        if isinstance(finished, Failure):
            return finished
        answer = read_answer(self._tokenizer, finished.output, self._ends)
        answer = before_stop(answer, finished.request.decoding.stop)
        return completion(finished.request.id, answer, finished.tokens, finished.shown)
