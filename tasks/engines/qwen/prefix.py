"""Keys and values of the tokens before the photo, which all photos under one prompt share. Knows no photo."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Tensor

from tasks.engines.qwen.attention import attend_causally
from tasks.engines.qwen.language import Language
from tasks.engines.qwen.slots import Pair

_KEPT = 4
"""Prompts: a mission's own, those of its retries, one more."""


def prefixes(language: Language) -> Callable[[tuple[int, ...]], list[Pair]]:
    """A function that gives for a prefix's token ids, layer by layer, keys and values [1, heads, tokens, width].

    It computes them once for each of the few prefixes that were used last.
    """
    return lru_cache(maxsize=_KEPT)(partial(read_prefix, language))


def read_prefix(language: Language, ids: tuple[int, ...], rows: int = 1) -> list[Pair]:
    """Keys and values [rows, heads, tokens, width] of so many rows of the same tokens, layer by layer."""
    pairs: list[Pair] = []

    def attend(_: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        pairs.append((keys, values))
        return attend_causally(queries, keys, values)

    embeds = language.embed(torch.tensor([ids], device=language.device)).expand(rows, -1, -1)
    language(embeds, torch.arange(len(ids), device=language.device).expand(3, rows, -1), attend)
    return pairs
