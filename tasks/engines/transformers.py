"""The default engine: Hugging Face transformers, batches across groups, photos prepared ahead. Knows no group.

Photos are fetched, decoded and patchified in threads while the device generates; batches are planned beforehand from
the photos' sizes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LogitsProcessorList

from configs.parts import EngineConfig, InputConfig, ModelConfig
from tasks.engines.batching import plan_batches
from tasks.engines.loading import load_model, load_processor, pick_device
from tasks.engines.photos import Patchifier, Pixels
from tasks.engines.prompting import PromptEncoder
from tasks.engines.protocol import Completion, Failure, FinishReason, Request, Result
from tasks.engines.sampling import RowSampling
from tasks.records.ahead import ahead
from tasks.records.errors import DeviceOutOfMemory, EngineError, EngineUnavailable, PhotoError


@dataclass(frozen=True, slots=True)
class _Row:
    """A request that is ready for the device."""

    request: Request
    pixels: Pixels
    ids: list[int]


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
        """Load. Raises CheckpointError, DeviceOutOfMemory or EngineError."""
        model = model or ModelConfig()
        self._config = engine or EngineConfig()
        self._device = pick_device(device)
        processor = load_processor(checkpoint)
        self._tokenizer = processor.tokenizer
        self._prompts = PromptEncoder(processor)
        self._patchifier = Patchifier(processor.image_processor, model, inputs or InputConfig())
        self._model = load_model(checkpoint, adapters, model, self._device)
        ends = self._model.generation_config.eos_token_id
        self._ends = frozenset(ends if isinstance(ends, list) else [ends])
        self._image_id: int = processor.image_token_id
        own_length: int = self._model.config.text_config.max_position_embeddings
        self._too_many: float = math.inf  # padded tokens of the smallest batch that did not fit
        self._max_len = min(model.max_model_len or own_length, own_length)

    def generate(self, requests: Sequence[Request]) -> Iterator[Result]:
        """See `Engine.generate`. Requests with different `max_new_tokens` do not share a batch."""
        for most in sorted({request.decoding.max_new_tokens for request in requests}):
            yield from self._generate([r for r in requests if r.decoding.max_new_tokens == most])

    def close(self) -> None:
        """Drop the weights and give the device's memory back."""
        del self._model
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _generate(self, requests: Sequence[Request]) -> Iterator[Result]:
        batches = plan_batches(
            requests,
            [self._length(request) for request in requests],
            most_items=self._config.batch_size,
            most_tokens=self._config.batch_tokens,
        )
        with ThreadPoolExecutor(self._config.prepare_workers, thread_name_prefix="prepare") as pool:
            depth = self._config.prefetch * max(len(batch) for batch in batches)
            prepared = ahead(pool, self._prepare, (request for batch in batches for request in batch), depth)
            for batch in batches:
                rows: list[_Row] = []
                for _ in batch:
                    item = next(prepared)
                    if isinstance(item, Failure):
                        yield item
                    else:
                        rows.append(item)
                if rows:
                    yield from self._run(rows)

    def _length(self, request: Request) -> int:
        most = self._patchifier.most_visual_tokens
        visual = self._patchifier.visual_tokens(*request.size) if request.size else most
        return visual + len(self._prompts.encode(request.system, request.user))

    def _prepare(self, request: Request) -> _Row | Failure:
        prompt = self._prompts.encode(request.system, request.user)
        try:
            pixels = self._patchifier.prepare(request.read())
        except PhotoError as error:
            return Failure(request.id, error)
        total = len(prompt) + pixels.visual_tokens + request.decoding.max_new_tokens
        if total > self._max_len:
            raise EngineError(
                f"{len(prompt)} prompt tokens, {pixels.visual_tokens} visual tokens and "
                f"{request.decoding.max_new_tokens} new tokens are {total}, more than {self._max_len}; "
                "lower model.max_pixels or generation.max_new_tokens, or raise model.max_model_len"
            )
        return _Row(request, pixels, self._prompts.with_photo(prompt, pixels.visual_tokens))

    def _run(self, rows: list[_Row]) -> list[Result]:
        """A batch's results; one that does not fit into the device's memory is halved, and so is every later one of its
        size, before it is tried."""
        tokens = len(rows) * max(len(row.ids) for row in rows)
        if len(rows) == 1 or tokens < self._too_many:
            try:
                return self._forward(rows)
            except torch.OutOfMemoryError as error:
                if len(rows) == 1:
                    raise DeviceOutOfMemory(
                        f"one photo of {rows[0].pixels.visual_tokens} visual tokens does not fit on {self._device}; "
                        "lower model.max_pixels"
                    ) from error
                self._too_many = min(self._too_many, tokens)
            except torch.AcceleratorError as error:
                # The device's context is broken for good: only a new process gets a working one.
                raise EngineUnavailable(
                    f"{self._device} failed: {error}; run again to go on where this ended"
                ) from error
            torch.cuda.empty_cache()
        half = len(rows) // 2
        return [*self._run(rows[:half]), *self._run(rows[half:])]

    @torch.inference_mode()
    def _forward(self, rows: list[_Row]) -> list[Result]:
        inputs = self._collate(rows)
        width = inputs["input_ids"].shape[1]
        sampled = any(row.request.decoding.temperature > 0 for row in rows)
        processors: Any = LogitsProcessorList()
        if sampled:
            processors.append(RowSampling([(row.request.id, row.request.decoding) for row in rows]))
        output = self._model.generate(
            **inputs,
            max_new_tokens=rows[0].request.decoding.max_new_tokens,
            do_sample=False,
            logits_processor=processors,
        )
        return [self._completion(row, ids) for row, ids in zip(rows, output[:, width:].tolist(), strict=True)]

    def _collate(self, rows: list[_Row]) -> dict[str, torch.Tensor]:
        """Left-padded ids [rows, longest], with `mm_token_type_ids`, without which Qwen3-VL silently takes all
        positions for text."""
        width = max(len(row.ids) for row in rows)
        ids = torch.full((len(rows), width), self._tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, width - len(row.ids) :] = torch.tensor(row.ids)
            mask[index, width - len(row.ids) :] = 1
        tensors = {
            "input_ids": ids,
            "attention_mask": mask,
            "mm_token_type_ids": (ids == self._image_id).long(),
            "pixel_values": torch.cat([row.pixels.patches for row in rows]),
            "image_grid_thw": torch.tensor([row.pixels.grid for row in rows]),
        }
        return {key: tensor.to(self._device) for key, tensor in tensors.items()}

    def _completion(self, row: _Row, generated: list[int]) -> Completion:
        at = next((index for index, token in enumerate(generated) if token in self._ends), None)
        finish: FinishReason = "length" if at is None else "stop"
        ids = generated if at is None else generated[:at]
        return Completion(
            id=row.request.id,
            # Special tokens stay in, so that a summary that holds one is seen to be bad.
            text=self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False),
            finish_reason=finish,
            prompt_tokens=len(row.ids),
            visual_tokens=row.pixels.visual_tokens,
            completion_tokens=len(ids) + (at is not None),
            width=row.pixels.width,
            height=row.pixels.height,
        )
