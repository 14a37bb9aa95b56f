"""Rotary embeddings: the positions of a prompt, and turning states by them with few passes over memory.

Source: M-RoPE of Qwen2-VL (Wang et al. 2024), as `get_rope_index` of transformers' Qwen3-VL has it; a test compares.
"""

from __future__ import annotations

import torch
from torch import Tensor

Cells = tuple[int, int]
"""Rows and columns of a photo's visual tokens; (0, 0) without a photo."""


def positions_of(before: int, photo: Cells, own: int) -> Tensor:
    """Time, row and column, int64 [3, visual tokens + own], of a photo after `before` tokens, and of `own` tokens of
    text after it."""
    rows, columns = photo
    cell = torch.arange(rows * columns)
    cells = torch.stack([torch.zeros_like(cell), cell // max(1, columns), cell % max(1, columns)]) + before
    after = next_position(before, photo, own)
    return torch.cat([cells, torch.arange(after - own, after).expand(3, -1)], 1)


def next_position(before: int, photo: Cells, own: int) -> int:
    """The position of the first token of the answer, the same in all three dimensions."""
    return before + max(photo) + own


def rotate(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """States [..., width] turned by angles [..., width] whose halves are the same.

    The halves of the last dimension are the two coordinates of each point, as in transformers' `rotate_half`.
    """
    turned = states * cosine
    half = states.shape[-1] // 2
    turned[..., :half].addcmul_(states[..., half:], sine[..., :half], value=-1)
    turned[..., half:].addcmul_(states[..., :half], sine[..., half:])
    return turned
