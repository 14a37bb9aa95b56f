"""The output layer: logits, or the likeliest token alone.

On a CPU the logits of many rows do not fit into the caches: written, and read again, they cost as much as the
arithmetic. In blocks of the vocabulary they do; and the vocabulary times the rows is up to three times faster than the
rows times the vocabulary, which is how a linear layer does it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

_BLOCK = 4096
"""Tokens of the vocabulary at a time."""

_ROWS = 64
"""Rows whose logits are there at a time where all of them are needed."""

_FEW = 8
"""Rows whose logits are small enough without blocks."""


_ROUNDING = 2.0**-8
"""Largest relative error of a number in bfloat16: eight bits."""

_ERRORS = 3.2
"""Roundings in a logit, each at most `_ROUNDING` of its row's and its token's norms multiplied, by Cauchy and Schwarz:
of the weights, of the states, and of the sum. What is over 3 is for their products and for adding up in float32."""

_NEAR = 256
"""Tokens near the highest, for each row, that are looked at: more of them, and all exact logits are cheaper."""

_GROUP = 128
"""Tokens that are looked at one by one only if the highest of them is near the highest of all."""


def has_fast_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 by itself; another one takes longer than for float32."""
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return supported is not None and bool(supported())


class Bf16Argmax:
    """The likeliest token for half of the bytes: all logits in bfloat16, and exactly those that may be the highest.

    An output layer takes a CPU as long as its weights take to be read. How far a logit in bfloat16 can be from the
    exact one is bounded, so that whatever is likeliest is among those near the highest. Takes a float32 layer's weights
    [vocabulary, width], and holds them once more, in bfloat16.
    """

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight
        self._rough = weight.bfloat16()
        self._error = _ERRORS * _ROUNDING * float(weight.norm(dim=1).max())
        self._block = math.gcd(len(weight), _GROUP)

    def likeliest(self, states: Tensor) -> Tensor | None:
        """The likeliest token of each row of states [rows, width], the first of equals, int64 [rows].

        None if too many tokens are near the highest of their row, or a state is no number.
        """
        rough = linear(states.bfloat16(), self._rough).unflatten(1, (-1, self._block))
        highest_of = rough.amax(2)
        least = highest_of.amax(1).float() - 2 * self._error * states.norm(dim=1)
        # One more rounding, downwards, so that numbers of two bytes are compared.
        least_rough = (least - 2 * _ROUNDING * least.abs()).bfloat16()[:, None]
        rows, blocks = (highest_of >= least_rough).nonzero(as_tuple=True)
        if len(blocks) > _NEAR * len(states):
            return None
        found_at, places = (rough[rows, blocks] >= least_rough[rows]).nonzero(as_tuple=True)
        rows, tokens = rows[found_at], blocks[found_at] * self._block + places
        if len(tokens) > _NEAR * len(states):
            return None
        exact = (self._weight[tokens] * states[rows]).sum(1)
        highest = states.new_full((len(states),), -torch.inf).scatter_reduce(0, rows, exact, "amax")
        is_highest = exact == highest[rows]
        none = len(self._weight)
        found = torch.full((len(states),), none).scatter_reduce(0, rows[is_highest], tokens[is_highest], "amin")
        return None if bool((found == none).any()) else found


class OutputLayer:
    """The output layer of a loaded model."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        plain = type(layer) is nn.Linear and layer.bias is None  # no adapter, not quantised
        self._blocks = plain and layer.weight.device.type == "cpu" and layer.weight.dtype == torch.float32
        self._bf16 = Bf16Argmax(layer.weight.detach()) if self._blocks and has_fast_bfloat16() else None

    def logits(self, states: Tensor) -> Tensor:
        """States [rows, width] to logits [rows, vocabulary]."""
        logits: Tensor = self._layer(states)
        return logits

    def log_probs(self, states: Tensor, tokens: Tensor) -> Tensor:
        """The log-probability of one token after each state, float32 [rows] (float64 for states in it).

        A few rows at a time: logits in float32 are 600 kB a row.
        """
        found = []
        for some, wanted in zip(states.split(_ROWS), tokens.split(_ROWS), strict=True):
            logits = self.logits(some)
            logits = logits if logits.dtype == torch.float64 else logits.float()
            found.append(logits.gather(1, wanted[:, None])[:, 0] - logits.logsumexp(-1))
        return torch.cat(found)

    def likeliest(self, states: Tensor) -> Tensor:
        """The likeliest token of each row, the first of equals, int64 [rows]."""
        if not self._blocks:
            return self.logits(states).argmax(-1)
        if self._bf16 is not None and (found := self._bf16.likeliest(states)) is not None:
            return found
        columns = states.T.contiguous()
        weight = self._layer.weight
        if len(states) <= _FEW:
            return (weight @ columns).max(0).indices
        best = [(block @ columns).max(0) for block in weight.split(_BLOCK)]
        values, places = torch.stack([found.values for found in best]), torch.stack([found.indices for found in best])
        block = values.argmax(0)
        return places.gather(0, block[None])[0] + block * _BLOCK
