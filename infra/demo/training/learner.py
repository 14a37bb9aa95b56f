"""Losses of the tiny Qwen3-VL over batches of one grid and one prompt, on torch's default device.

Knows no schedule and no files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import DynamicCache, Qwen3VLForConditionalGeneration
from transformers.models.qwen3_vl import modeling_qwen3_vl as qwen

from infra.demo.training.pictures import CLASSES, Picture, ordinals, pixel_values, told, totals
from infra.demo.training.prompting import Conversation

IGNORED = -100
COUNTING_LAYER, MOST = 2, 8  # the language layer that is taught to count, and the most of one kind in a scene


@contextmanager
def mixed() -> Iterator[None]:
    """Within it most arithmetic is done in bf16, unless the processor would have to imitate it: twelve times slower."""
    device = torch.get_default_device().type
    with torch.autocast(
        device, dtype=torch.bfloat16, enabled=device != "cpu" or "AVX512" in torch.backends.cpu.get_cpu_capability()
    ):
        yield


@contextmanager
def fast_vision() -> Iterator[None]:
    """Within it the vision tower treats pictures of one size as one batch: the same numbers, several times faster.

    The published forward passes loop over the pictures, and use a 3-D convolution whose kernel equals its stride on the
    two equal frames of a photo.
    """
    embed, attend = qwen.Qwen3VLVisionPatchEmbed.forward, qwen.Qwen3VLVisionAttention.forward
    qwen.Qwen3VLVisionPatchEmbed.forward = _embed_patches
    qwen.Qwen3VLVisionAttention.forward = _attend_within_pictures
    try:
        yield
    finally:
        qwen.Qwen3VLVisionPatchEmbed.forward, qwen.Qwen3VLVisionAttention.forward = embed, attend


def _embed_patches(self: Any, patches: Tensor) -> Tensor:
    weight: Tensor = self.proj.weight.sum(2)
    frame = patches.view(len(patches), self.in_channels, self.temporal_patch_size, -1)[:, :, 0].flatten(1)
    return functional.linear(frame.to(weight.dtype), weight.flatten(1), self.proj.bias)


def _attend_within_pictures(
    self: Any,
    hidden_states: Tensor,
    cu_seqlens: Tensor,
    position_embeddings: tuple[Tensor, Tensor],
    max_seqlen: int | None = None,
    **_: Any,
) -> Tensor:
    total, pictures = len(hidden_states), len(cu_seqlens) - 1
    query, key, value = self.qkv(hidden_states).reshape(total, 3, self.num_heads, -1).permute(1, 0, 2, 3).unbind(0)
    query, key = qwen.apply_rotary_pos_emb_vision(query, key, *position_embeddings)
    query, key, value = (
        part.reshape(pictures, -1, self.num_heads, part.shape[-1]).transpose(1, 2) for part in (query, key, value)
    )
    mixed = functional.scaled_dot_product_attention(query, key, value, scale=self.scaling)
    out: Tensor = self.proj(mixed.transpose(1, 2).reshape(total, -1))
    return out


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures of one grid (columns, rows) under one prompt; `answers` are trimmed token ids, each ending its turn."""

    grid: tuple[int, int]
    conversation: Conversation
    answers: Sequence[Sequence[int]]

    def labels(self) -> Tensor:
        """The answers as a tensor, (n, longest answer), filled up with IGNORED."""
        labels = torch.full((len(self.answers), max(map(len, self.answers))), IGNORED)
        for row, answer in enumerate(self.answers):
            labels[row, : len(answer)] = torch.tensor(answer)
        return labels


class Learner:
    """Feature, counting and answer losses of one model with trimmed rows.

    `unused` is the number of vocabulary rows that are zero once the checkpoint is expanded. Their logits are then
    exactly 0, so the softmax of training gets one more column, ln(unused): sampling cannot fall into those rows.
    """

    def __init__(self, model: Qwen3VLForConditionalGeneration, unused: int) -> None:
        self.model = model
        self.vision, self.language = model.model.visual, model.model.language_model
        self.unused = math.log(unused)
        width = model.config.text_config.hidden_size
        self.counters = nn.ModuleList([nn.Linear(width, MOST + 1), nn.Linear(width, CLASSES * (MOST + 1))])
        self._counted: Tensor | None = None
        self.language.layers[COUNTING_LAYER].register_forward_hook(self._remember)
        self._positions: dict[tuple[int, tuple[int, int], int], Tensor] = {}

    def features(self, pictures: list[Picture]) -> Tensor:
        """What the language model receives, (layers, pictures, cells, width): the last layer's, then deepstack's."""
        cols, rows = pictures[0].scene.grid
        grids = torch.tensor([[1, 2 * rows, 2 * cols]]).expand(len(pictures), -1)
        seen = self.vision(pixel_values(pictures), grid_thw=grids)
        layers = torch.stack([seen.pooler_output, *seen.deepstack_features])
        return layers.reshape(len(layers), len(pictures), rows * cols, -1)

    def answer_loss(self, features: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the answers given the pictures' `features`, over their tokens."""
        logits, labels = self.answer_logits(features, batch)
        return functional.cross_entropy(self.with_unused(logits).flatten(0, 1), labels.flatten(), ignore_index=IGNORED)

    def with_unused(self, logits: Tensor) -> Tensor:
        """Logits (..., rows) with one more column for all rows that are zero."""
        return functional.pad(logits, (0, 1), value=self.unused)

    def counting_loss(self, features: Tensor, pictures: list[Picture], opening: Conversation) -> Tensor:
        """`last_counting_loss` of the bare pictures, under the few tokens of `opening` and without an answer."""
        after = torch.tensor(opening.tail).expand(len(pictures), -1)
        self._read(features, pictures[0].scene.grid, opening.head, after)
        return self.last_counting_loss(pictures)

    def last_counting_loss(self, pictures: list[Picture]) -> Tensor:
        """How badly the language model counted while it last read these pictures, judged by its middle layer.

        At each cell: which of its like the object there is. At the token after the picture: every total. The one
        number at a time that an answer holds is too thin a signal: without this the model long names everything and
        guesses every count.
        """
        assert self._counted is not None, "nothing has been read yet"
        nth, total = (told(of, pictures).clamp(max=MOST) for of in (ordinals, totals))
        cells = nth.shape[1]
        at_cells = self.counters[0](self._counted[:, :cells]).float()
        at_end = self.counters[1](self._counted[:, cells]).float().reshape(*total.shape, MOST + 1)
        return 3 * functional.cross_entropy(at_cells.flatten(0, 1), nth.flatten()) + 5 * functional.cross_entropy(
            at_end.flatten(0, 1), total.flatten()
        )

    def _remember(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self._counted = output[0] if isinstance(output, tuple) else output

    def exact(self, features: Tensor, batch: Batch) -> Tensor:
        """Which answers greedy decoding would give exactly: those of which every token is the likeliest, bool (n)."""
        with torch.no_grad():
            logits, labels = self.answer_logits(features, batch)
        return ((logits.argmax(-1) == labels) | (labels == IGNORED)).all(1)

    def answer_logits(self, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits float32 (n, longest answer, rows) and labels (n, longest answer)."""
        head, tail = batch.conversation.head, batch.conversation.tail
        labels = batch.labels()
        after = torch.cat([torch.tensor(tail).expand(len(labels), -1), labels[:, :-1].clamp(min=0)], 1)
        states = self._read(features, batch.grid, head, after)
        logits: Tensor = self.model.lm_head(states[:, -labels.shape[1] :]).float()
        return logits, labels

    def _read(self, features: Tensor, grid: tuple[int, int], head: Sequence[int], after: Tensor) -> Tensor:
        """States (n, cells + tokens after, width) of the pictures' cells and the tokens `after` (n, tokens).

        The prompt up to the picture, `head`, is the same for the whole batch: it is read once and its keys and values
        are shared.
        """
        count, cells = features.shape[1:3]
        positions = self._position_ids(len(head), grid, after.shape[1])
        cache = DynamicCache(config=self.language.config)
        self.language(
            input_ids=torch.tensor([head]),
            position_ids=positions[..., : len(head)],
            past_key_values=cache,
            use_cache=True,
        )
        cache.batch_repeat_interleave(count)
        embeds = torch.cat(
            [features[0].to(self.language.embed_tokens.weight.dtype), self.language.embed_tokens(after)], 1
        )
        is_cell = (torch.arange(embeds.shape[1]) < cells).expand(count, -1)
        states: Tensor = self.language(
            inputs_embeds=embeds,
            position_ids=positions[..., len(head) :].expand(-1, count, -1),
            past_key_values=cache,
            use_cache=True,
            visual_pos_masks=is_cell,
            deepstack_visual_embeds=[layer.flatten(0, 1) for layer in features[1:]],
        ).last_hidden_state
        return states

    def _position_ids(self, head: int, grid: tuple[int, int], after: int) -> Tensor:
        """The model's own rotary positions, (3, 1, tokens), for `head` tokens, a picture, and `after` more."""
        key = (head, grid, after)
        if key not in self._positions:
            cols, rows = grid
            kinds = torch.tensor([[0] * head + [1] * (cols * rows) + [0] * after])
            self._positions[key] = self.model.model.get_rope_index(
                torch.zeros_like(kinds), kinds, torch.tensor([[1, 2 * rows, 2 * cols]])
            )[0]
        return self._positions[key]
