"""Rotary positions of a prompt with one photo in it. Knows no weights.

Source: M-RoPE of Qwen2-VL (Wang et al. 2024), as `get_rope_index` of transformers' Qwen3-VL has it; a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a photo of `rows` x `columns` visual tokens stands: after `before` tokens, before `after` more."""

    before: int
    rows: int
    columns: int
    after: int

    @property
    def cells(self) -> int:
        """Visual tokens."""
        return self.rows * self.columns

    @property
    def next(self) -> int:
        """The position of the first token of the answer, the same in all three dimensions."""
        return self.before + max(self.rows, self.columns) + self.after

    def positions(self) -> Tensor:
        """Time, row and column, int64 [3, cells + after], of the photo and of what comes after it."""
        cell = torch.arange(self.cells)
        photo = torch.stack([torch.zeros_like(cell), cell // self.columns, cell % self.columns]) + self.before
        text = torch.arange(self.next - self.after, self.next).expand(3, -1)
        return torch.cat([photo, text], 1)
