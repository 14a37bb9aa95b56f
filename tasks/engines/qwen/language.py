"""The language model's layers with the attention handed in. Knows no memory of keys and values, and no photo.

What the published forward pass does, from the published weights. Where tokens are written one by one, a device spends
most of its time on starting small kernels: layers are called, not modules within modules, and a norm is one kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextRMSNorm

from tasks.engines.qwen.fused import side_by_side
from tasks.engines.qwen.rotary import rotate

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""Given the number of a layer, and queries [rows, heads, tokens, width], keys and values [rows, fewer heads, tokens,
width] of new tokens: what they take from all tokens that they may look at, like the queries."""


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

    def __call__(self, embeds: Tensor, positions: Tensor, attend: Attend, deep: Sequence[Tensor] = ()) -> Tensor:
        """States [rows, width of the model] of the last token.

        `embeds` is [rows, tokens, width of the model], `positions` int64 [3, rows, tokens]. `deep` are features
        [rows, cells, width of the model] that the first layers add to the first tokens (deepstack).
        """
        states = embeds
        cosine, sine = self._language.rotary_emb(states, positions)
        rotary = cosine[:, :, None], sine[:, :, None]
        for number, (layer, attention) in enumerate(zip(self._language.layers, self._attention, strict=True)):
            query, key, value = attention.look(_norm(layer.input_layernorm, states), rotary)
            states = states + attention.take(attend(number, query, key, value))
            states = states + layer.mlp(_norm(layer.post_attention_layernorm, states))
            if number < len(deep):
                states[:, : deep[number].shape[1]] += deep[number]
        return _norm(self._language.norm, states[:, -1])


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

    def look(self, states: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [rows, heads, tokens, width]."""
        heads = self._project(states).view(*states.shape[:2], -1, self._width)
        turned = rotate(self._normed(heads), *rotary)
        query, key = turned.split(self._heads, 2)
        return query.transpose(1, 2), key.transpose(1, 2), heads[:, :, sum(self._heads) :].transpose(1, 2)

    def take(self, mixed: Tensor) -> Tensor:
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
