"""A photo's bytes to the picture that the model is shown, the same for every engine, and to patches of it.

Whatever reads the picture afterwards, its own resizing finds nothing left to do, so that the text does not depend on
the engine.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torchvision.transforms.v2 import functional as vision
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from configs.parts import VISUAL_TOKEN_PIXELS, InputConfig, ModelConfig
from tasks.images.open import decoding
from tasks.records.base import ScaledBy
from tasks.records.errors import EngineError

Grid = tuple[int, int]
"""Rows and columns of patches."""

_SMALLEST = 4
"""Visual tokens of the smallest picture that is worth showing."""

_MOST_ELONGATED = 200
"""Longer side over shorter side beyond which Qwen's processors refuse a picture."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a checkpoint's image processor scales to: pixels at least and at most, sides in multiples of `cell` pixels.

    The defaults are those of Qwen3-VL's published `preprocessor_config.json`.
    """

    shortest: int = 64 * VISUAL_TOKEN_PIXELS
    longest: int = 16_384 * VISUAL_TOKEN_PIXELS
    cell: int = 32

    @classmethod
    def of(cls, image_processor: Any) -> Bounds:
        """The bounds of a loaded image processor."""
        own = image_processor.size
        return cls(own["shortest_edge"], own["longest_edge"], image_processor.patch_size * image_processor.merge_size)


@dataclass(frozen=True, slots=True)
class Room:
    """How many tokens a request may have, and how many of them are taken before there is a photo."""

    most: int
    prompt: int
    answer: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo as the model is shown it.

    `picture` is uint8 [3, height, width] in RGB. `width` and `height` are of the upright photo before scaling.
    """

    picture: torch.Tensor
    visual_tokens: int
    width: int
    height: int
    scaled_by: ScaledBy | None

    @property
    def shown_width(self) -> int:
        """Width of the picture in pixels."""
        return int(self.picture.shape[2])

    @property
    def shown_height(self) -> int:
        """Height of the picture in pixels."""
        return int(self.picture.shape[1])

    def image(self) -> Image.Image:
        """The picture for an engine that takes Pillow's."""
        return Image.fromarray(self.picture.permute(1, 2, 0).contiguous().numpy(), "RGB")

    def png(self) -> bytes:
        """The picture as a PNG without metadata, for an engine behind a wire. Nothing is lost on the way."""
        out = io.BytesIO()
        self.image().save(out, "PNG", compress_level=1)  # the wire is faster than zlib's higher levels
        return out.getvalue()


class Scaler:
    """Decodes photos and scales them as the checkpoint's image processor would. Safe to call from several threads."""

    def __init__(self, bounds: Bounds, model: ModelConfig, limits: InputConfig) -> None:
        self._limits = limits
        self._cell = bounds.cell
        self._longest = max(min(model.max_pixels, bounds.longest), bounds.cell**2)
        self._shortest = min(model.min_pixels or bounds.shortest, self._longest)

    def visual_tokens(self, width: int, height: int, room: Room | None = None) -> int:
        """How many visual tokens a photo of this size becomes, without decoding it; with no room for it, the fewest."""
        most = None if room is None else max(1, room.most - room.prompt - room.answer)
        columns, rows = self._fit(width, height, most)
        return self._tokens(columns, rows)

    @property
    def most_visual_tokens(self) -> int:
        """The most visual tokens that any photo can become."""
        return max(1, self._longest // self._cell**2)

    def show(self, data: bytes, room: Room | None = None) -> Shown:
        """Decode, turn upright and scale; to fewer pixels than `max_pixels` where `room` leaves less.

        Depends on nothing but the photo and its own prompt. Raises PhotoError, and EngineError if not even the smallest
        picture fits.
        """
        with decoding(data, self._limits) as image:
            width, height = self._fit(image.width, image.height, None)
            scaled_by: ScaledBy | None = "max_pixels" if image.width * image.height > self._longest else None
            if room is not None and self._tokens(width, height) > (most := self._left(room)):
                width, height = self._fit(image.width, image.height, most)
                scaled_by = "max_model_len"
            picture = _resized(image, width, height)
            return Shown(picture, self._tokens(width, height), image.width, image.height, scaled_by)

    def _left(self, room: Room) -> int:
        """Visual tokens that `room` leaves. Raises EngineError when they are fewer than the smallest picture has."""
        left = room.most - room.prompt - room.answer
        least = min(max(_SMALLEST, self._shortest // self._cell**2), self.most_visual_tokens)
        if left < least:
            raise EngineError(
                f"{room.prompt} prompt tokens, {room.answer} new tokens and the {least} visual tokens of the smallest "
                f"picture are {room.prompt + room.answer + least}, more than {room.most}; lower "
                "generation.max_new_tokens or model.min_pixels, shorten the prompt, or raise model.max_model_len"
            )
        return left

    def _tokens(self, width: int, height: int) -> int:
        return (width // self._cell) * (height // self._cell)

    def _fit(self, width: int, height: int, most_tokens: int | None) -> tuple[int, int]:
        """Width and height to show, in whole cells, that the processor's rule leaves as they are."""
        longest = self._longest if most_tokens is None else min(self._longest, most_tokens * self._cell**2)
        rows, columns = smart_resize(height, width, self._cell, min(self._shortest, longest), longest)
        # A side is never shorter than a cell, and never longer than the rule would take: an elongated photo can come
        # out with too many pixels, and the rule applied to its own result would scale that again.
        columns, rows = min(columns, rows * _MOST_ELONGATED), min(rows, columns * _MOST_ELONGATED)
        while rows * columns > longest:
            rows, columns = smart_resize(rows, columns, self._cell, 1, longest)
        return columns, rows


def _resized(image: Image.Image, width: int, height: int) -> torch.Tensor:
    pixels = vision.pil_to_tensor(image)
    return vision.resize(pixels, [height, width], interpolation=vision.InterpolationMode.BICUBIC, antialias=True)


@dataclass(frozen=True, slots=True)
class Patches:
    """A picture in patches: `pixels` is uint8 [rows * columns, channels * patch * patch]."""

    pixels: torch.Tensor
    grid: Grid


def patchify(picture: torch.Tensor, patch: int, merge: int) -> Patches:
    """Cut a picture uint8 [channels, height, width] whose sides are multiples of `patch * merge`.

    The order is that of Qwen2-VL's image processor: squares of `merge` x `merge` patches, which become one visual
    token, row by row. The processor writes every patch twice, once for each frame of a video that a photo does not
    have, and as normalised floats: eight times the bytes. Both are in the first layer's weights here.
    """
    channels, height, width = picture.shape
    rows, columns = height // patch, width // patch
    squares = picture.reshape(channels, rows // merge, merge, patch, columns // merge, merge, patch)
    pixels = squares.permute(1, 4, 2, 5, 0, 3, 6).reshape(rows * columns, channels * patch * patch)
    return Patches(pixels.contiguous(), (rows, columns))


class Patchifier:
    """Cuts scaled pictures into patches with the checkpoint's image processor. Safe to call from several threads."""

    def __init__(self, image_processor: Any) -> None:
        self._processor = image_processor

    def patches(self, picture: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int, int]]:
        """Picture uint8 [3, height, width] to float32 patches
        [grid_t * grid_h * grid_w, channels * temporal * patch * patch], and (grid_t, grid_h, grid_w): a row of
        `image_grid_thw`.
        """
        features = self._processor(images=[picture], do_resize=False, return_tensors="pt")
        grid_t, grid_h, grid_w = (int(side) for side in features["image_grid_thw"][0])
        return features["pixel_values"], (grid_t, grid_h, grid_w)
