"""The default engine: Hugging Face transformers, batches across groups, photos prepared ahead. Knows no group.

Photos are fetched, decoded and patchified in threads while the device generates; batches are planned beforehand from
the photos' sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LogitsProcessorList

from configs.parts import EngineConfig, InputConfig, ModelConfig
from tasks.engines.answers import Pieces, Streamer, completion, read_answer
from tasks.engines.loading import end_tokens, load_model, load_processor, longest_request, pick_device
from tasks.engines.photos import Bounds, Patchifier, Scaler, Shown
from tasks.engines.preparing import Preparer
from tasks.engines.prompting import PromptEncoder
from tasks.engines.protocol import Failure, Request, Result
from tasks.engines.running import Batches, device_errors
from tasks.engines.sampling import RowSampling


@dataclass(frozen=True, slots=True)
class _Row:
    """A request that is ready for the device."""

    request: Request
    shown: Shown
    patches: torch.Tensor
    grid: tuple[int, int, int]
    ids: list[int]

    @property
    def tokens(self) -> int:
        return len(self.ids)


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
        self._tokenizer = processor.tokenizer
        self._image_id: int = processor.image_token_id
        self._prompts = PromptEncoder(processor)
        self._patchifier = Patchifier(processor.image_processor)
        self._model = load_model(checkpoint, adapters, model, self._device)
        self._ends = end_tokens(self._model.generation_config)
        self._preparer = Preparer(
            Scaler(Bounds.of(processor.image_processor), model, inputs or InputConfig()),
            lambda system, user: len(self._prompts.encode(system, user)),
            longest_request(model, self._model.config.text_config.max_position_embeddings),
        )
        self._batches = Batches(
            engine or EngineConfig(), self._preparer.length, self._prepare, lambda rows: self._guarded(rows)
        )

    def generate(self, requests: Sequence[Request]) -> Iterator[Result]:
        """See `Engine.generate`. Requests with different `max_new_tokens` do not share a batch."""
        for most in sorted({request.decoding.max_new_tokens for request in requests}):
            yield from self._batches.results([r for r in requests if r.decoding.max_new_tokens == most])

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Result:
        """See `Engine.stream`."""
        row = self._prepare(request)
        if isinstance(row, Failure):
            return row
        return self._guarded([row], Streamer(Pieces(self._tokenizer, self._ends, on_text)))[0]

    def close(self) -> None:
        """Drop the weights and give the device's memory back."""
        del self._model
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _prepare(self, request: Request) -> _Row | Failure:
        ready = self._preparer.prepare(request)
        if isinstance(ready, Failure):
            return ready
        patches, grid = self._patchifier.patches(ready.shown.picture)
        prompt = self._prompts.encode(request.system, request.user)
        return _Row(request, ready.shown, patches, grid, self._prompts.with_photo(prompt, ready.shown.visual_tokens))

    def _guarded(self, rows: list[_Row], streamer: Streamer | None = None) -> list[Result]:
        with device_errors(self._device, len(rows), max(row.shown.visual_tokens for row in rows)):
            return self._forward(rows, streamer)

    @torch.inference_mode()
    def _forward(self, rows: list[_Row], streamer: Streamer | None = None) -> list[Result]:
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
            streamer=streamer,
        )
        return [
            completion(row.request.id, read_answer(self._tokenizer, ids, self._ends), row.tokens, row.shown)
            for row, ids in zip(rows, output[:, width:].tolist(), strict=True)
        ]

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
            "pixel_values": torch.cat([row.patches for row in rows]),
            "image_grid_thw": torch.tensor([row.grid for row in rows]),
        }
        return {key: tensor.to(self._device) for key, tensor in tensors.items()}
