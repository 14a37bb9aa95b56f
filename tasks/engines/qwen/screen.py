"""The likeliest token for half of the bytes: all logits in bfloat16, and exactly those that may be the highest.

An output layer takes a CPU as long as its weights take to be read. How far a logit in bfloat16 can be from the exact
one is bounded, so that whatever is likeliest is among those near the highest.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import linear

_ROUNDING = 2.0**-8
"""Largest relative error of a number in bfloat16: eight bits."""

_ERRORS = 3.2
"""Roundings in a logit, each at most `_ROUNDING` of its row's and its token's norms multiplied, by Cauchy and Schwarz:
of the weights, of the states, and of the sum. What is over 3 is for their products and for adding up in float32."""

_MOST = 256
"""Tokens near the highest, for each row, that are looked at: more of them, and all exact logits are cheaper."""


_BLOCK = 128
"""Tokens that are looked at one by one only if the highest of them is near the highest of all."""


def has_fast_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 by itself; another one takes longer than for float32."""
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return supported is not None and bool(supported())


class Screen:
    """A float32 output layer on a CPU: weights [vocabulary, width]. Holds them once more, in bfloat16."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight
        self._rough = weight.bfloat16()
        self._error = _ERRORS * _ROUNDING * float(weight.norm(dim=1).max())
        self._block = math.gcd(len(weight), _BLOCK)

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
        if len(blocks) > _MOST * len(states):
            return None
        found_at, places = (rough[rows, blocks] >= least_rough[rows]).nonzero(as_tuple=True)
        rows, tokens = rows[found_at], blocks[found_at] * self._block + places
        if len(tokens) > _MOST * len(states):
            return None
        exact = (self._weight[tokens] * states[rows]).sum(1)
        highest = states.new_full((len(states),), -torch.inf).scatter_reduce(0, rows, exact, "amax")
        is_highest = exact == highest[rows]
        none = len(self._weight)
        found = torch.full((len(states),), none).scatter_reduce(0, rows[is_highest], tokens[is_highest], "amin")
        return None if bool((found == none).any()) else found
