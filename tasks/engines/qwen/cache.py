"""Keys and values of a batch in memory that is taken once. Knows no weights.

transformers' own cache makes a copy of everything at every token, and its rows must all have begun together.
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
    """One layer's keys and values with room for more tokens; begun with `used` tokens of `memory`."""

    def __init__(self, memory: Sequence[Tensor], used: int) -> None:
        super().__init__()
        self._memory, self._used = list(memory), used
        self.dtype, self.device = memory[0].dtype, memory[0].device
        self._show()
        self.is_initialized = True

    @classmethod
    def begun(cls, prefix: Pair, rows: int, room: int) -> RoomyLayer:
        """A layer whose rows all begin with the same tokens."""
        _, heads, used, width = prefix[0].shape
        memory = [part.new_empty(rows, heads, used + room, width) for part in prefix]
        for whole, part in zip(memory, prefix, strict=True):
            whole[:, :, :used] = part
        return cls(memory, used)

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

    def joined(self, other: RoomyLayer, rows: Tensor, start: int, room: int) -> RoomyLayer:
        """These rows, from the token `start` on, then those of `other`: both end at the same token."""
        used = max(self._used - start, other._used)
        memory = []
        for ours, theirs in zip(self._memory, other._memory, strict=True):
            whole = ours.new_empty(len(rows) + len(theirs), ours.shape[1], used + room, ours.shape[3])
            for place, part in (
                (slice(len(rows)), ours[rows, :, start : self._used]),
                (slice(len(rows), None), theirs[:, :, : other._used]),
            ):
                first = used - part.shape[2]
                whole[place, :, :first] = 0  # masked, and yet not a number times nothing is not a number
                whole[place, :, first:used] = part
            memory.append(whole)
        return RoomyLayer(memory, used)

    def _show(self) -> None:
        self.keys, self.values = (memory[:, :, : self._used] for memory in self._memory)


class RoomyCache(Cache):  # type: ignore[misc]
    """A `RoomyLayer` for each layer of the language model."""

    @classmethod
    def begun(cls, prefix: Sequence[Pair], rows: int, room: int) -> RoomyCache:
        """A cache whose rows all begin with the same tokens, with room for so many more."""
        return cls(layers=[RoomyLayer.begun(pair, rows, room) for pair in prefix])

    def keep(self, rows: Sequence[int]) -> None:
        """Drop every row but these."""
        index = torch.tensor(rows, device=self.layers[0].device)
        for layer in self.layers:
            layer.keep(index)

    def join(self, other: RoomyCache, rows: Sequence[int], start: int, room: int) -> None:
        """Keep these rows, from the token `start` on, and take in all those of `other`, which is used up by it.

        All then end at the same token; a row that has fewer tokens than another begins with zeros.
        """
        index = torch.tensor(rows, dtype=torch.long, device=self.layers[0].device)
        for number, layer in enumerate(other.layers):  # one at a time: the old memory is given back in between
            self.layers[number] = self.layers[number].joined(layer, index, start, room)
            other.layers[number] = None
