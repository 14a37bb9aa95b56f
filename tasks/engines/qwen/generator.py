"""Answers to photos under one prompt: the photos are seen, the prompt is read, and tokens are written one by one.

Knows nothing of where photos come from, and nothing of what an answer means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from tasks.engines.prompting import PromptIds
from tasks.engines.qwen.cache import RoomyCache
from tasks.engines.qwen.patches import Patched
from tasks.engines.qwen.positions import Spot
from tasks.engines.qwen.prefix import Prefixes
from tasks.engines.qwen.vision import Normalisation, VisionTower

LEAVING = 0.25
"""Share of a batch's rows that must have ended before they leave it: leaving copies the keys and values of the rest."""


OnToken = Callable[[int, int], None]


class Choose(Protocol):
    """Picks the next token of each row from logits [rows, vocabulary]; `rows` are their numbers in the batch."""

    def __call__(self, logits: Tensor, rows: Sequence[int]) -> Tensor:
        """Token ids, int64 [rows]."""
        ...


def greedy(logits: Tensor, rows: Sequence[int]) -> Tensor:
    """The likeliest token of each row."""
    return logits.argmax(-1)


@dataclass
class _Batch:
    """A batch in the middle of its answers."""

    cache: RoomyCache
    mask: Tensor | None  # 1 where a row has a token, int64 [rows, all the room]; None where every row has them all
    length: int  # tokens in the cache
    next: Tensor  # the position of the next token, int64 [rows]

    def keep(self, rows: Sequence[int]) -> None:
        """Drop every row but these."""
        self.cache.keep(rows)
        self.next = self.next[list(rows)]
        self.mask = None if self.mask is None else self.mask[list(rows)]


class Generator:
    """One loaded model. `ends` are the tokens that end an answer; they are part of it."""

    def __init__(self, model: Any, normalisation: Normalisation, ends: Set[int]) -> None:
        self._model = model
        self._language = model.model.language_model
        self._device = self._language.embed_tokens.weight.device
        self._tower = VisionTower(model.model.visual, normalisation)
        self._merge: int = model.model.visual.spatial_merge_size
        self._prefixes = Prefixes(self._language)
        self._ends = ends

    @torch.inference_mode()
    def answers(
        self,
        prompt: PromptIds,
        photos: Sequence[Patched],
        most: int,
        choose: Choose = greedy,
        on_token: OnToken | None = None,
    ) -> list[list[int]]:
        """The tokens of each photo's answer, at most `most`; `on_token` gets each new one with its photo's number."""
        batch, states = self._read(prompt, photos, most)
        answers: list[list[int]] = [[] for _ in photos]
        rows = list(range(len(photos)))  # which photo each row of the batch is of
        writing = set(rows)
        while True:
            tokens = choose(self._model.lm_head(states), rows)
            for row, token in zip(rows, tokens.tolist(), strict=True):
                if row not in writing:
                    continue
                answers[row].append(token)
                if on_token is not None:
                    on_token(row, token)
                if token in self._ends or len(answers[row]) == most:
                    writing.remove(row)
            if not writing:
                return answers
            if len(writing) <= (1 - LEAVING) * len(rows):
                kept = [index for index, row in enumerate(rows) if row in writing]
                batch.keep(kept)
                rows, tokens = [rows[index] for index in kept], tokens[kept]
            states = self._step(batch, tokens)

    def _read(self, prompt: PromptIds, photos: Sequence[Patched], most: int) -> tuple[_Batch, Tensor]:
        """See the photos and read the prompt: the batch, and the states [rows, width] that the first tokens follow."""
        features = self._tower(photos)
        spots = [self._spot(prompt, photo) for photo in photos]
        rows, longest = len(spots), max(spot.cells for spot in spots)
        tail = self._language.embed_tokens(torch.tensor(prompt.after, device=self._device))
        embeds = tail.new_zeros(rows, longest + len(tail), tail.shape[1])
        positions = torch.zeros(3, *embeds.shape[:2], dtype=torch.long)
        is_cell = torch.zeros(embeds.shape[:2], dtype=torch.bool)
        for row, (spot, seen) in enumerate(zip(spots, features, strict=True)):
            first = longest - spot.cells
            embeds[row, first:longest] = seen[0]
            positions[:, row, first:] = spot.positions()
            is_cell[row, first:longest] = True
        embeds[:, longest:] = tail
        room = embeds.shape[1] + most
        mask = None
        if any(spot.cells < longest for spot in spots):
            mask = torch.ones(rows, len(prompt.before) + room, dtype=torch.long, device=self._device)
            for row, spot in enumerate(spots):
                mask[row, len(prompt.before) : len(prompt.before) + longest - spot.cells] = 0
        batch = _Batch(
            RoomyCache(self._prefixes.of(prompt.before), rows, room),
            mask,
            len(prompt.before),
            torch.tensor([spot.next for spot in spots], device=self._device),
        )
        states = self._forward(
            batch,
            embeds,
            positions.to(self._device),
            visual_pos_masks=is_cell.to(self._device),
            deepstack_visual_embeds=list(torch.cat([seen[1:] for seen in features], 1)),
        )
        return batch, states

    def _step(self, batch: _Batch, tokens: Tensor) -> Tensor:
        positions = batch.next.expand(3, -1)[..., None]
        batch.next = batch.next + 1
        return self._forward(batch, self._language.embed_tokens(tokens.to(self._device))[:, None], positions)

    def _forward(self, batch: _Batch, embeds: Tensor, positions: Tensor, **visual: Any) -> Tensor:
        """States [rows, width] of the last token."""
        batch.length += embeds.shape[1]
        states: Tensor = self._language(
            inputs_embeds=embeds,
            position_ids=positions,
            attention_mask=None if batch.mask is None else batch.mask[:, : batch.length],
            past_key_values=batch.cache,
            use_cache=True,
            **visual,
        ).last_hidden_state
        return states[:, -1]

    def _spot(self, prompt: PromptIds, photo: Patched) -> Spot:
        rows, columns = (side // self._merge for side in photo.grid)
        return Spot(len(prompt.before), rows, columns, len(prompt.after))
