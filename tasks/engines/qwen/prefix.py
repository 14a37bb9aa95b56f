"""Keys and values of the tokens before the photo, which all photos under one prompt share. Knows no photo."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch
from transformers import DynamicCache

from tasks.engines.qwen.cache import Pair

_KEPT = 4
"""Prompts: a mission's own, those of its retries, one more."""


def prefixes(language: Any) -> Callable[[tuple[int, ...]], list[Pair]]:
    """A function that gives for a prefix's token ids, layer by layer, keys and values [1, heads, tokens, width].

    It computes them once for each of the few prefixes that were used last.
    """
    return lru_cache(maxsize=_KEPT)(partial(_read, language))


def _read(language: Any, ids: tuple[int, ...]) -> list[Pair]:
    device = language.embed_tokens.weight.device
    cache = DynamicCache(config=language.config)
    positions = torch.arange(len(ids), device=device).expand(3, 1, -1)
    language(
        input_ids=torch.tensor([ids], device=device), position_ids=positions, past_key_values=cache, use_cache=True
    )
    return [(layer.keys, layer.values) for layer in cache.layers]
