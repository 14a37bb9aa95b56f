"""Qwen3-VL's vision tower over pictures of one size as one batch. Knows no text.

What the published forward pass does, from the published weights, with three differences in how: pictures of one size
are one batch for the attention instead of a loop; the two equal frames of a photo are one, with the kernel's two halves
added up; the processor's normalisation is in the first layer's weights, so that patches stay bytes until there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.qwen3_vl.modeling_qwen3_vl import eager_attention_forward
from transformers.vision_utils import get_vision_interpolation_indices_and_weights, get_vision_position_ids

from tasks.engines.photos import Grid, Patches
from tasks.engines.qwen.rotary import rotate

_MIDDLE = 128
"""Taken off every byte: the rest is small and exact in 16 bits, and the bias does not have to make up for it."""

_GRIDS = 16
"""Sizes whose position embeddings are kept: at 3,072 patches of 1,152 numbers, 14 MB each in float32."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What the image processor does to a byte: (byte * scale - mean) / std, by channel."""

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, image_processor: Any) -> Normalisation:
        """That of a loaded image processor."""
        return cls(image_processor.rescale_factor, tuple(image_processor.image_mean), tuple(image_processor.image_std))


@dataclass(frozen=True, slots=True)
class _Place:
    """Position embeddings of one grid: added to the patches, and rotated into queries and keys."""

    added: Tensor
    rotary: tuple[Tensor, Tensor]


class VisionTower:
    """The tower of a loaded model. Calling it gives what its language model receives."""

    def __init__(self, visual: Any, normalisation: Normalisation) -> None:
        self._visual = visual
        self._weight, self._bias = _folded(visual.patch_embed, normalisation)
        # Not of a method, which would hold the tower: its memory must be free as soon as it is dropped.
        self._place = lru_cache(maxsize=_GRIDS)(partial(_make_place, visual, self._weight.dtype))

    def __call__(self, pictures: Sequence[Patches]) -> list[Tensor]:
        """For each picture [layers, visual tokens, width]: the last layer's features, then deepstack's."""
        found: list[Tensor | None] = [None] * len(pictures)
        by_grid: dict[Grid, list[int]] = {}
        for index, picture in enumerate(pictures):
            by_grid.setdefault(picture.grid, []).append(index)
        for grid, indices in by_grid.items():
            patches = torch.stack([pictures[index].pixels for index in indices])
            for index, features in zip(indices, self._look(patches, grid), strict=True):
                found[index] = features
        return [features for features in found if features is not None]

    def _look(self, patches: Tensor, grid: Grid) -> Tensor:
        """Patches uint8 [pictures, patches, values] to features [pictures, layers, visual tokens, width]."""
        visual, weight = self._visual, self._weight
        place = self._place(grid)
        values = patches.to(weight.device).to(weight.dtype) - _MIDDLE
        states = functional.linear(values, weight, self._bias) + place.added
        deep = []
        for number, block in enumerate(visual.blocks):
            states = states + _attend(block.attn, block.norm1(states), place.rotary)
            states = states + block.mlp(block.norm2(states))
            if number in visual.deepstack_visual_indexes:
                merger = visual.deepstack_merger_list[visual.deepstack_visual_indexes.index(number)]
                deep.append(merger(states))
        layers = torch.stack([visual.merger(states), *deep])
        return layers.reshape(len(layers), len(patches), -1, layers.shape[-1]).transpose(0, 1)


def _make_place(visual: Any, dtype: torch.dtype, grid: Grid) -> _Place:
    table = visual.pos_embed.weight
    shape = torch.tensor([[1, *grid]], device=table.device)
    indices, weights = get_vision_interpolation_indices_and_weights(
        shape,
        num_grid_per_side=visual.num_grid_per_side,
        mode=visual.interpolation_mode,
        align_corners=visual.interpolation_align_corners,
        spatial_merge_size=visual.spatial_merge_size,
        kwargs={},
    )
    added = (visual.pos_embed(indices) * weights[:, :, None]).sum(1).to(dtype)
    positions = get_vision_position_ids(shape, visual.spatial_merge_size, kwargs={})
    # The same for queries and keys, and for all heads.
    cosine, sine = (part.to(dtype)[:, None, None] for part in visual.rotary_pos_emb(added, positions))
    return _Place(added, (cosine, sine))


def _folded(embedding: Any, normalisation: Normalisation) -> tuple[Tensor, Tensor]:
    """The patch embedding for bytes of one frame less `_MIDDLE`: weight [width, values of a patch] and bias [width].

    The convolution's kernel equals its stride, so that it is a linear map of patches, whatever an adapter has made of
    it: what it does to each value by itself are its weights.
    """
    channels, frames, side = embedding.in_channels, embedding.temporal_patch_size, embedding.patch_size
    size, like = side * side, embedding.proj.weight
    each = torch.eye(channels * size, dtype=like.dtype, device=like.device).view(-1, channels, 1, side, side)
    with torch.inference_mode():
        bias = embedding.proj(torch.zeros_like(each[:1]).expand(-1, -1, frames, -1, -1)).flatten(1).double()
        weight = embedding.proj(each.expand(-1, -1, frames, -1, -1)).flatten(1).double() - bias
    mean, std = (
        torch.tensor(some, dtype=torch.double, device=like.device).repeat_interleave(size)[:, None]
        for some in (normalisation.mean, normalisation.std)
    )
    bias = bias[0] + (weight * ((_MIDDLE * normalisation.scale - mean) / std)).sum(0)
    weight = weight * (normalisation.scale / std)
    return weight.T.contiguous().to(like.dtype), bias.to(like.dtype)


def _attend(attention: Any, states: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Attention within each picture of a batch [pictures, patches, width], by the kernel that the model is set to."""
    pictures, patches, _ = states.shape
    heads = attention.qkv(states).view(pictures, patches, 3, attention.num_heads, -1)
    (query, key), value = rotate(heads[:, :, :2], *rotary).unbind(2), heads[:, :, 2]
    run = ALL_ATTENTION_FUNCTIONS.get_interface(attention.config._attn_implementation, eager_attention_forward)
    mixed, _ = run(
        attention,
        query.transpose(1, 2),
        key.transpose(1, 2),
        value.transpose(1, 2),
        attention_mask=None,
        scaling=attention.scaling,
        dropout=0.0,
        is_causal=False,
    )
    out: Tensor = attention.proj(mixed.reshape(pictures, patches, -1))
    return out
