"""Attention of new tokens to those before them, by torch's kernels. Knows no weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention


def attend_causally(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """For queries [rows, heads, tokens, width] of the last tokens that keys and values [rows, fewer heads, all tokens,
    width] have: each looks at its own token and at those before it.
    """
    tokens, seen = queries.shape[2], keys.shape[2]
    if queries.is_cuda and queries.dtype != torch.float32:
        return scaled_dot_product_attention(
            queries, keys, values, attn_mask=causal_lower_right(tokens, seen), enable_gqa=True
        )
    groups = queries.shape[1] // keys.shape[1]
    may_look = torch.ones(tokens, seen, dtype=torch.bool, device=queries.device).tril(seen - tokens)
    return scaled_dot_product_attention(
        queries, keys.repeat_interleave(groups, 1), values.repeat_interleave(groups, 1), attn_mask=may_look
    )


def attend_once(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """For queries [rows, heads, 1, width] of one token a row, all of them after the keys [rows, fewer heads, tokens,
    width]; `bias` [rows, 1, 1, tokens] is minus infinity where a row has no token.

    Heads that share keys are like tokens that share them: keys are read once for all of them.
    """
    rows, heads, _, width = queries.shape
    shared = keys.shape[1]
    grouped = queries.view(rows, shared, heads // shared, width)
    mask = bias.expand(rows, shared, heads // shared, -1)
    return scaled_dot_product_attention(grouped, keys, values, attn_mask=mask).reshape(rows, heads, 1, width)
