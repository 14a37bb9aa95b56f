"""Rotary embeddings with few passes over memory. Knows no positions."""

from __future__ import annotations

from torch import Tensor


def rotate(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """States [..., width] turned by angles [..., width] whose halves are the same.

    The halves of the last dimension are the two coordinates of each point, as in transformers' `rotate_half`.
    """
    turned = states * cosine
    half = states.shape[-1] // 2
    turned[..., :half].addcmul_(states[..., half:], sine[..., :half], value=-1)
    turned[..., half:].addcmul_(states[..., :half], sine[..., half:])
    return turned
