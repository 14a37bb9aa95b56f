"""The output layer where only the likeliest token is asked for. Knows no sampling.

On a CPU the logits of many rows do not fit into the caches: written, and read again, they cost as much as the
arithmetic. In blocks of the vocabulary they do; and the vocabulary times the rows is up to three times faster than the
rows times the vocabulary, which is how a linear layer does it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tasks.engines.qwen.screen import Screen, has_fast_bfloat16

_BLOCK = 4096
"""Tokens of the vocabulary at a time."""

_FEW = 8
"""Rows whose logits are small enough without blocks."""


class Head:
    """The output layer of a loaded model."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        plain = type(layer) is nn.Linear and layer.bias is None  # no adapter, not quantised
        self._blocks = plain and layer.weight.device.type == "cpu" and layer.weight.dtype == torch.float32
        self._screen = Screen(layer.weight.detach()) if self._blocks and has_fast_bfloat16() else None

    def logits(self, states: Tensor) -> Tensor:
        """States [rows, width] to logits [rows, vocabulary]."""
        logits: Tensor = self._layer(states)
        return logits

    def likeliest(self, states: Tensor) -> Tensor:
        """The likeliest token of each row, the first of equals, int64 [rows]."""
        if not self._blocks:
            return self.logits(states).argmax(-1)
        if self._screen is not None and (found := self._screen.likeliest(states)) is not None:
            return found
        columns = states.T.contiguous()
        weight = self._layer.weight
        if len(states) <= _FEW:
            return (weight @ columns).max(0).indices
        best = [(block @ columns).max(0) for block in weight.split(_BLOCK)]
        values, places = torch.stack([found.values for found in best]), torch.stack([found.indices for found in best])
        block = values.argmax(0)
        return places.gather(0, block[None])[0] + block * _BLOCK
