"""A picture cut into the patches that Qwen's vision tower reads, as bytes. Knows no weights.

The published processor writes every patch twice, once for each frame of a video that a photo does not have, and as
normalised floats: eight times the bytes. `tasks.engines.qwen.vision` folds both into the first layer's weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

Grid = tuple[int, int]
"""Rows and columns of patches."""


@dataclass(frozen=True, slots=True)
class Patched:
    """A picture in patches, uint8 [rows * columns, channels * patch * patch]."""

    patches: torch.Tensor
    grid: Grid


def cut(picture: torch.Tensor, patch: int, merge: int) -> Patched:
    """Cut a picture uint8 [channels, height, width] whose sides are multiples of `patch * merge`.

    The order is that of Qwen2-VL's image processor: squares of `merge` x `merge` patches, which become one visual
    token, row by row.
    """
    channels, height, width = picture.shape
    rows, columns = height // patch, width // patch
    squares = picture.reshape(channels, rows // merge, merge, patch, columns // merge, merge, patch)
    patches = squares.permute(1, 4, 2, 5, 0, 3, 6).reshape(rows * columns, channels * patch * patch)
    return Patched(patches.contiguous(), (rows, columns))
