"""The last language layer of the tiny Qwen3-VL for the few places of which an answer is read: a third of its work.

The same numbers as the whole layer's. Of all other places only keys and values are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from transformers import Cache
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb


@contextmanager
def answers_only(layer: nn.Module, places: Tensor) -> Iterator[None]:
    """Within it the layer gives the states (rows, n, width) of these places (rows, n) only."""

    def forward(
        states: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        attention_mask: Tensor,
        past_key_values: Cache,
        **_: Any,
    ) -> Tensor:
        return _at(layer, states, position_embeddings, attention_mask, past_key_values, places)

    layer.forward = forward
    try:
        yield
    finally:
        del layer.forward


def _at(
    layer: Any, states: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor, cache: Cache, places: Tensor
) -> Tensor:
    attention = layer.self_attn
    normed = layer.input_layernorm(states)
    keys = attention.k_norm(_heads(attention.k_proj(normed), attention.head_dim))
    values = _heads(attention.v_proj(normed), attention.head_dim)
    queries = attention.q_norm(_heads(attention.q_proj(_chosen(normed, places)), attention.head_dim))
    cos, sin = rotary
    keys = apply_rotary_pos_emb(keys, keys, cos, sin)[1]
    queries = apply_rotary_pos_emb(queries, queries, _chosen(cos, places), _chosen(sin, places))[0]
    keys, values = cache.update(keys, values, attention.layer_idx)
    seen = functional.scaled_dot_product_attention(
        queries,
        keys.repeat_interleave(attention.num_key_value_groups, 1),
        values.repeat_interleave(attention.num_key_value_groups, 1),
        attn_mask=mask.gather(2, places[:, None, :, None].expand(-1, 1, -1, mask.shape[-1])),
        scale=attention.scaling,
    )
    out: Tensor = _chosen(states, places) + attention.o_proj(seen.transpose(1, 2).flatten(2))
    return out + layer.mlp(layer.post_attention_layernorm(out))


def _heads(states: Tensor, width: int) -> Tensor:
    return states.unflatten(2, (-1, width)).transpose(1, 2)


def _chosen(states: Tensor, places: Tensor) -> Tensor:
    """States (rows, places, width) out of states (rows, tokens, width), or (1, tokens, width) for all rows."""
    states = states.expand(len(places), -1, -1)
    return states.gather(1, places[..., None].expand(-1, -1, states.shape[-1]))
