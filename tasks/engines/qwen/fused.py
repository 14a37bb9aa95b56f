"""Several small layers over the same states as one. Knows no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


def side_by_side(layers: Sequence[Any]) -> Callable[[Tensor], Tensor]:
    """What linear layers give, side by side: states [..., width] to [..., sum of their widths].

    Plain layers become one. Their weights are then parts of its weights, so that no memory is taken for it. Layers with
    an adapter, or with quantised weights, are called one after the other.
    """
    if any(type(layer) is not nn.Linear or layer.bias is not None for layer in layers):
        return lambda states: torch.cat([layer(states) for layer in layers], -1)
    weight = torch.cat([layer.weight.detach() for layer in layers])
    parts = weight.split([layer.out_features for layer in layers])
    for layer, part in zip(layers, parts, strict=True):
        layer.weight.data = part
    return lambda states: linear(states, weight)
