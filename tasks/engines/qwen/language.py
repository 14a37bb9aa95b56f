"""The language model's layers with the attention handed in. Knows no memory of keys and values, and no photo.

What the published forward pass does, from the published weights. Where tokens are written one by one, a device spends
most of its time on starting small kernels: layers are called, not modules within modules, and a norm is one kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextRMSNorm

from tasks.engines.qwen.rotary import rotate

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""Given the number of a layer, and queries [rows, heads, tokens, width], keys and values [rows, fewer heads, tokens,
width] of new tokens: what they take from all tokens that they may look at, like the queries."""


def last_of_each_row(states: Tensor) -> Tensor:
    """States [rows, tokens, width] to those of the last token of each row."""
    return states[:, -1]


class Language:
    """The language model of a loaded Qwen3-VL, adapters and all."""

    def __init__(self, language: Any) -> None:
        self._language = language
        self._attention = [_Attention(layer.self_attn) for layer in language.layers]
        self.device: torch.device = language.embed_tokens.weight.device

    def embed(self, ids: Tensor) -> Tensor:
        """Tokens to [..., width of the model]."""
        found: Tensor = self._language.embed_tokens(ids)
        return found

    def __call__(
        self,
        embeds: Tensor,
        positions: Tensor,
        attend: Attend,
        deep: Sequence[Tensor] = (),
        pick: Callable[[Tensor], Tensor] = last_of_each_row,
    ) -> Tensor:
        """States [rows, width of the model] of the tokens that `pick` takes out of [rows, tokens, width of the model].

        `embeds` is [rows, tokens, width of the model], `positions` int64 [3, rows, tokens]. `deep` are features
        [rows, visual tokens, width of the model] that the first layers add to the first tokens (deepstack).
        """
        states = embeds
        cosine, sine = self._language.rotary_emb(states, positions)
        rotary = cosine[:, :, None], sine[:, :, None]
        for number, (layer, attention) in enumerate(zip(self._language.layers, self._attention, strict=True)):
            query, key, value = attention.project_qkv(_norm(layer.input_layernorm, states), rotary)
            states = states + attention.project_out(attend(number, query, key, value))
            states = states + layer.mlp(_norm(layer.post_attention_layernorm, states))
            if number < len(deep):
                states[:, : deep[number].shape[1]] += deep[number]
        return _norm(self._language.norm, pick(states))


class _Attention:
    """What a layer asks for, and what it makes of the answer. Queries and keys are normed and rotated together."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._width: int = module.head_dim
        self._project = side_by_side([module.q_proj, module.k_proj, module.v_proj])
        values = module.config.num_key_value_heads
        self._heads = [module.config.num_attention_heads, values]
        self._weight: Tensor | None = None
        if _is_plain(module.q_norm) and _is_plain(module.k_norm):
            norms = zip((module.q_norm, module.k_norm), self._heads, strict=True)
            self._weight = torch.cat([norm.weight.detach().expand(heads, -1) for norm, heads in norms])

    def project_qkv(self, states: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [rows, heads, tokens, width]."""
        heads = self._project(states).view(*states.shape[:2], -1, self._width)
        turned = rotate(self._normed(heads), *rotary)
        query, key = turned.split(self._heads, 2)
        return query.transpose(1, 2), key.transpose(1, 2), heads[:, :, sum(self._heads) :].transpose(1, 2)

    def project_out(self, mixed: Tensor) -> Tensor:
        """Mixed values [rows, heads, tokens, width] to states."""
        found: Tensor = self._module.o_proj(mixed.transpose(1, 2).flatten(2))
        return found

    def _normed(self, heads: Tensor) -> Tensor:
        """Queries and keys of all heads, values among them: what lies together is not copied for the norm."""
        module, both = self._module, sum(self._heads)
        if self._weight is None:
            query, key, _ = heads.split([*self._heads, heads.shape[2] - both], 2)
            return torch.cat([_norm(module.q_norm, query), _norm(module.k_norm, key)], 2)
        normed = functional.rms_norm(heads, heads.shape[-1:], eps=module.q_norm.variance_epsilon)
        return normed[:, :, :both] * self._weight


def _norm(module: Any, states: Tensor) -> Tensor:
    if _is_plain(module):
        return functional.rms_norm(states, module.weight.shape, module.weight, module.variance_epsilon)
    found: Tensor = module(states)  # an adapter trained a copy of it
    return found


def _is_plain(norm: Any) -> bool:
    return type(norm) is Qwen3VLTextRMSNorm


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
    return lambda states: functional.linear(states, weight)
