"""Answers to photos under one prompt: the photos are seen, the prompt is read, and tokens are written one by one.

Answers differ in length: a row that has ended leaves the batch, and the next photo takes its place. Knows nothing of
where photos come from, and nothing of what an answer means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from tasks.engines.prompting import PromptIds
from tasks.engines.qwen.batch import Batch
from tasks.engines.qwen.cache import RoomyCache
from tasks.engines.qwen.head import Head
from tasks.engines.qwen.patches import Patched
from tasks.engines.qwen.positions import Spot
from tasks.engines.qwen.prefix import prefixes
from tasks.engines.qwen.vision import Normalisation, VisionTower

LEAVING = 0.25
"""Share of a batch's rows that must have ended before they leave it: leaving copies the keys and values of the rest."""


class Sampler(Protocol):
    """Chooses tokens where the likeliest is not what is wanted."""

    def samples(self, number: int, /) -> bool:
        """Whether the answer to this photo is sampled at all."""
        ...

    def choose(self, logits: Tensor, numbers: Sequence[int], /) -> Tensor:
        """The next tokens, int64 [rows], from logits [rows, vocabulary] of the photos with these numbers."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A photo that is to be answered with at most `most` tokens; `number` is its own."""

    number: int
    photo: Patched
    most: int


@dataclass(slots=True)
class _Writing:
    """An answer under way."""

    most: int
    ids: list[int]

    @property
    def left(self) -> int:
        """Tokens that it may still get."""
        return self.most - len(self.ids)


OnToken = Callable[[int, int], None]
"""Is told a photo's number and the next token of its answer."""

Source = Callable[[int], Sequence[Asked]]
"""Given how many photos are being answered: those that enter now. None end a run in which none is being answered."""


class Generator:
    """One loaded model. `ends` are the tokens that end an answer; they are part of it."""

    def __init__(self, model: Any, normalisation: Normalisation, ends: Set[int]) -> None:
        self.model = model
        self._language = model.model.language_model
        self._device = self._language.embed_tokens.weight.device
        self._tower = VisionTower(model.model.visual, normalisation)
        self._merge: int = model.model.visual.spatial_merge_size
        self._prefix = prefixes(self._language)
        self._head = Head(model.lm_head)
        self._ends = ends

    def answers(
        self,
        prompt: PromptIds,
        photos: Sequence[Patched],
        most: int,
        sampler: Sampler | None = None,
        on_token: OnToken | None = None,
    ) -> list[list[int]]:
        """The tokens of each photo's answer, at most `most`, all as one batch."""
        waiting = [Asked(number, photo, most) for number, photo in enumerate(photos)]

        def source(_: int) -> list[Asked]:
            entering = waiting.copy()
            waiting.clear()
            return entering

        found = dict(self.run(prompt, source, sampler, on_token))
        return [found[number] for number in range(len(photos))]

    @torch.inference_mode()
    def run(
        self,
        prompt: PromptIds,
        source: Source,
        sampler: Sampler | None = None,
        on_token: OnToken | None = None,
    ) -> Iterator[tuple[int, list[int]]]:
        """Numbers and answers of the photos that `source` gives, as they end. Greedy without `sampler`."""
        batch: Batch | None = None
        rows: list[int] = []  # the photo that each row of the batch is of
        tokens = torch.empty(0, dtype=torch.long, device=self._device)  # that each row has not been given yet
        writing: dict[int, _Writing] = {}
        while True:
            if entering := source(len(writing)):
                numbers = [one.number for one in entering]
                joining, states = self._read(prompt, [one.photo for one in entering], max(one.most for one in entering))
                written = self._pick(states, numbers, sampler)
                kept = [place for place, row in enumerate(rows) if row in writing]
                writing |= {one.number: _Writing(one.most, []) for one in entering}
                if batch is None or not kept:
                    batch = joining
                else:
                    batch.join(joining, kept, max(one.left for one in writing.values()))
                rows, tokens = [*(rows[place] for place in kept), *numbers], torch.cat([tokens[kept], written])
            elif batch is None or not writing:
                return
            else:
                numbers = rows
                tokens = written = self._pick(self._step(batch, tokens), rows, sampler)
            for number, token in zip(numbers, written.tolist(), strict=True):
                if number not in writing:
                    continue
                writing[number].ids.append(token)
                if on_token is not None:
                    on_token(number, token)
                if token in self._ends or not writing[number].left:
                    yield number, writing.pop(number).ids
            if writing and len(writing) <= (1 - LEAVING) * len(rows):
                kept = [place for place, row in enumerate(rows) if row in writing]
                batch.keep(kept)
                rows, tokens = [rows[place] for place in kept], tokens[kept]

    def _pick(self, states: Tensor, numbers: Sequence[int], sampler: Sampler | None) -> Tensor:
        tokens = self._head.likeliest(states)
        if sampler is None:
            return tokens
        places = [place for place, number in enumerate(numbers) if sampler.samples(number)]
        if places:
            tokens[places] = sampler.choose(self._head.logits(states[places]), [numbers[place] for place in places])
        return tokens

    def _read(self, prompt: PromptIds, photos: Sequence[Patched], most: int) -> tuple[Batch, Tensor]:
        """See the photos and read the prompt: the batch, with room for `most` tokens, and the states [rows, width]
        that the first tokens follow."""
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
        batch = Batch(
            RoomyCache.begun(self._prefix(prompt.before), rows, room),
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

    def _step(self, batch: Batch, tokens: Tensor) -> Tensor:
        positions = batch.next.expand(3, -1)[..., None]
        batch.next = batch.next + 1
        return self._forward(batch, self._language.embed_tokens(tokens.to(self._device))[:, None], positions)

    def _forward(self, batch: Batch, embeds: Tensor, positions: Tensor, **visual: Any) -> Tensor:
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
