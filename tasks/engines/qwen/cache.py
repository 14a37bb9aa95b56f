"""Keys and values of a batch in memory that is taken once. Knows no weights.

transformers' own cache makes a copy of everything at every token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

Pair = tuple[Tensor, Tensor]
"""Keys and values of one layer, [rows, heads, tokens, width]."""


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values, begun with those of a prefix that all rows share, with room for more tokens."""

    def __init__(self, prefix: Pair, rows: int, room: int) -> None:
        super().__init__()
        _, heads, self._used, width = prefix[0].shape
        self._memory = [part.new_empty(rows, heads, self._used + room, width) for part in prefix]
        for memory, part in zip(self._memory, prefix, strict=True):
            memory[:, :, : self._used] = part
        self.dtype, self.device = prefix[0].dtype, prefix[0].device
        self._show()
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> Pair:
        """Append tokens; all keys and values so far. Raises RuntimeError when there is no room left."""
        tokens = key_states.shape[2]
        if self._used + tokens > self._memory[0].shape[2]:  # torch would drop one token too many without a word
            raise RuntimeError(f"no room for {tokens} more tokens after {self._used}")
        for memory, states in zip(self._memory, (key_states, value_states), strict=True):
            memory[:, :, self._used : self._used + tokens] = states
        self._used += tokens
        self._show()
        return self.keys, self.values

    def keep(self, rows: Tensor) -> None:
        """Drop every row but these."""
        self._memory = [memory[rows] for memory in self._memory]
        self._show()

    def _show(self) -> None:
        self.keys, self.values = (memory[:, :, : self._used] for memory in self._memory)


class RoomyCache(Cache):  # type: ignore[misc]
    """A `RoomyLayer` for each layer of the language model."""

    def __init__(self, prefix: Sequence[Pair], rows: int, room: int) -> None:
        super().__init__(layers=[RoomyLayer(pair, rows, room) for pair in prefix])

    def keep(self, rows: Sequence[int]) -> None:
        """Drop every row but these."""
        index = torch.tensor(rows, device=self.layers[0].device)
        for layer in self.layers:
            layer.keep(index)
