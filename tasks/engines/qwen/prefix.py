"""Keys and values of the tokens before the photo, which all photos under one prompt share. Knows no photo."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from transformers import DynamicCache

from tasks.engines.qwen.cache import Pair

_KEPT = 4
"""Prompts: a mission's own, those of its retries, one more."""


class Prefixes:
    """Computes the keys and values of a prefix once, and keeps the few that were used last."""

    def __init__(self, language: Any) -> None:
        self._language = language
        self._known: OrderedDict[tuple[int, ...], list[Pair]] = OrderedDict()

    def of(self, ids: tuple[int, ...]) -> list[Pair]:
        """For each layer keys and values [1, heads, tokens, width]."""
        if ids not in self._known:
            self._known[ids] = self._read(ids)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(ids)
        return self._known[ids]

    def _read(self, ids: tuple[int, ...]) -> list[Pair]:
        language = self._language
        device = language.embed_tokens.weight.device
        cache = DynamicCache(config=language.config)
        positions = torch.arange(len(ids), device=device).expand(3, 1, -1)
        language(
            input_ids=torch.tensor([ids], device=device), position_ids=positions, past_key_values=cache, use_cache=True
        )
        return [(layer.keys, layer.values) for layer in cache.layers]
