"""The output layer where only the likeliest token is asked for. Knows no sampling.

On a CPU logits of the whole vocabulary do not fit into the caches: written, and read again, they cost as much as the
arithmetic, and a matrix of few columns is slow. In blocks of the vocabulary both costs go.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_BLOCK = 4096
"""Rows of the output layer at a time; 2.6 MB at the 160 numbers of the demo checkpoint."""


class Head:
    """The output layer of a loaded model."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        plain = type(layer) is nn.Linear and layer.bias is None  # no adapter, not quantised
        self._blocks = plain and layer.weight.device.type == "cpu" and layer.weight.dtype == torch.float32

    def logits(self, states: Tensor) -> Tensor:
        """States [rows, width] to logits [rows, vocabulary]."""
        logits: Tensor = self._layer(states)
        return logits

    def likeliest(self, states: Tensor) -> Tensor:
        """The likeliest token of each row, the first of equals, int64 [rows]."""
        if not self._blocks:
            return self.logits(states).argmax(-1)
        columns = states.T.contiguous()
        best = [(block @ columns).max(0) for block in self._layer.weight.split(_BLOCK)]
        values, places = torch.stack([found.values for found in best]), torch.stack([found.indices for found in best])
        block = values.argmax(0)
        return places.gather(0, block[None])[0] + block * _BLOCK
