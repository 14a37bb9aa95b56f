"""A photo's bytes to what the model's vision tower takes. Knows no prompt and no batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from configs.parts import InputConfig, ModelConfig
from tasks.images.open import decode


@dataclass(frozen=True, slots=True)
class Pixels:
    """A patchified photo.

    `patches` is float32 [grid_t * grid_h * grid_w, channels * temporal * patch * patch]; `grid` is (t, h, w) in
    patches, a row of `image_grid_thw`. `width` and `height` are of the upright photo before scaling.
    """

    patches: torch.Tensor
    grid: tuple[int, int, int]
    visual_tokens: int
    width: int
    height: int


class Patchifier:
    """Decodes and patchifies photos with the checkpoint's image processor. Safe to call from several threads."""

    def __init__(self, image_processor: Any, model: ModelConfig, limits: InputConfig) -> None:
        own = image_processor.size
        self._processor = image_processor
        self._limits = limits
        self._longest = min(model.max_pixels, own["longest_edge"])
        self._shortest = min(model.min_pixels or own["shortest_edge"], self._longest)
        self._cell: int = image_processor.patch_size * image_processor.merge_size
        self._merge: int = image_processor.merge_size**2

    def visual_tokens(self, width: int, height: int) -> int:
        """How many visual tokens a photo of this size becomes, without decoding it."""
        rows, columns = smart_resize(
            height, width, factor=self._cell, min_pixels=self._shortest, max_pixels=self._longest
        )
        return (rows // self._cell) * (columns // self._cell)

    @property
    def most_visual_tokens(self) -> int:
        """The most visual tokens that any photo can become."""
        return max(1, self._longest // self._cell**2)

    def prepare(self, data: bytes) -> Pixels:
        """Decode, turn upright, scale and patchify. Raises PhotoError."""
        image = decode(data, self._limits)
        features = self._processor(
            images=[image],
            size={"shortest_edge": self._shortest, "longest_edge": self._longest},
            return_tensors="pt",
        )
        grid_t, grid_h, grid_w = (int(side) for side in features["image_grid_thw"][0])
        return Pixels(
            patches=features["pixel_values"],
            grid=(grid_t, grid_h, grid_w),
            visual_tokens=grid_t * grid_h * grid_w // self._merge,
            width=image.width,
            height=image.height,
        )
