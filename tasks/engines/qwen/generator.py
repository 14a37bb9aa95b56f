"""Answers to photos under one prompt: the photos are seen, the prompt is read, and tokens are written one by one.

Answers differ in length: a row that has ended leaves the batch, and the next photo takes its place. Knows nothing of
where photos come from, and nothing of what an answer means.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from tasks.engines.prompting import PromptIds
from tasks.engines.qwen.head import Head
from tasks.engines.qwen.language import Language
from tasks.engines.qwen.patches import Grid, Patched
from tasks.engines.qwen.positions import Spot
from tasks.engines.qwen.prefix import prefixes
from tasks.engines.qwen.slots import Slots
from tasks.engines.qwen.steps import Steps
from tasks.engines.qwen.vision import Normalisation, VisionTower

LEAVING = 0.25
"""Share of a batch's rows that must have ended before they leave it: leaving moves the keys and values of others."""

_READING = 8192
"""Tokens of pictures and prompts that are read at once: enough for any device to be busy, and little memory."""


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


class _Told:
    """Tokens on their way from the device: of which photos, and what they are."""

    def __init__(self, numbers: Sequence[int], tokens: Tensor) -> None:
        self._numbers = list(numbers)
        self._arrived: torch.cuda.Event | None = None
        if tokens.is_cuda:
            self._tokens = torch.empty(tokens.shape, dtype=tokens.dtype, pin_memory=True)
            self._tokens.copy_(tokens, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record(torch.cuda.current_stream(tokens.device))
        else:
            self._tokens = tokens

    def each(self) -> Iterator[tuple[int, int]]:
        """Photo and token, once they are there."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return zip(self._numbers, self._tokens.tolist(), strict=True)


OnToken = Callable[[int, int], None]
"""Is told a photo's number and the next token of its answer."""

Source = Callable[[int], Sequence[Asked]]
"""Given how many photos are being answered: those that enter now. None end a run in which none is being answered."""


class Generator:
    """One loaded model. `ends` are the tokens that end an answer; they are part of it.

    Runs are one after the other. Memory that one has taken is kept for the next with the same prompt.
    """

    def __init__(self, model: Any, normalisation: Normalisation, ends: Set[int]) -> None:
        self.model = model
        self._language = Language(model.model.language_model)
        self._tower = VisionTower(model.model.visual, normalisation)
        self._merge: int = model.model.visual.spatial_merge_size
        self._prefix = prefixes(self._language)
        self._head = Head(model.lm_head)
        self._ends = ends
        self._steps: Steps | None = None
        works_by_itself = self._language.device.type == "cuda"
        # bitsandbytes asks the device for numbers in the middle of a layer, which no recording can have.
        self._record = works_by_itself and not getattr(model, "is_quantized", False)
        # A device that works by itself is given the next step before the tokens of the last are looked at.
        self.lag = 1 if works_by_itself else 0

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
        rows: list[int] = []  # the photo that each slot is of
        writing: dict[int, _Writing] = {}
        told: deque[_Told] = deque()
        with self._slots(prompt) as steps:
            while True:
                entering = source(len(writing))
                if entering:
                    rows = _leave(steps.slots, rows, writing)
                    writing |= {one.number: _Writing(one.most, []) for one in entering}
                    numbers, tokens = self._read(steps.slots, prompt, entering, sampler)
                    rows += numbers
                    told.append(_Told(numbers, tokens))
                elif not writing:
                    return
                if self.lag or not entering:
                    told.append(_Told(rows, self._step(steps, rows, sampler)))
                while len(told) > self.lag:
                    for number, token in told.popleft().each():
                        if number not in writing:
                            continue
                        writing[number].ids.append(token)
                        if on_token is not None:
                            on_token(number, token)
                        if token in self._ends or not writing[number].left:
                            yield number, writing.pop(number).ids
                if writing and len(writing) <= (1 - LEAVING) * len(rows):
                    rows = _leave(steps.slots, rows, writing)

    @contextmanager
    def _slots(self, prompt: PromptIds) -> Iterator[Steps]:
        """Steps of empty slots for this prompt. What a run that ended before its end had taken is given back."""
        steps, self._steps = self._steps, None
        prefix = self._prefix(prompt.before)
        if steps is None or steps.slots.prefix is not prefix:
            steps = None  # its memory, before more is taken
            steps = Steps(self._language, self._head, Slots(prefix), record=self._record)
        steps.slots.keep([])
        yield steps
        self._steps = steps

    def _read(
        self, slots: Slots, prompt: PromptIds, entering: Sequence[Asked], sampler: Sampler | None
    ) -> tuple[list[int], Tensor]:
        """See the photos and read the prompt after each: their numbers in the order of their slots, and the first
        tokens of their answers."""
        by_grid: dict[Grid, list[Asked]] = {}
        for one in entering:
            by_grid.setdefault(one.photo.grid, []).append(one)
        longest = max(len(prompt) + self._spot(prompt, one.photo).cells + one.most + self.lag for one in entering)
        slots.reserve(slots.rows + len(entering), longest)
        numbers: list[int] = []
        states: list[Tensor] = []
        for some in by_grid.values():
            at_once = max(1, _READING // self._spot(prompt, some[0].photo).cells)
            for first in range(0, len(some), at_once):
                part = some[first : first + at_once]
                states.append(self._see(slots, prompt, part))
                numbers += [one.number for one in part]
        tokens = self._pick(torch.cat(states), numbers, sampler)
        slots.tokens[slots.rows - len(numbers) : slots.rows] = tokens
        return numbers, tokens

    def _see(self, slots: Slots, prompt: PromptIds, some: Sequence[Asked]) -> Tensor:
        """States [rows, width] that the first tokens of the answers to photos of one size follow."""
        spot = self._spot(prompt, some[0].photo)
        features = torch.stack(self._tower([one.photo for one in some]), 1)
        tail = self._language.embed(torch.tensor(prompt.after, device=self._language.device))
        embeds = torch.cat([features[0], tail.expand(len(some), -1, -1)], 1)
        positions = spot.positions().to(self._language.device)[:, None].expand(-1, len(some), -1)
        attend = slots.enter([one.most + self.lag for one in some], embeds.shape[1], spot.next)
        return self._language(embeds, positions, attend, tuple(features[1:]))

    def _step(self, steps: Steps, rows: Sequence[int], sampler: Sampler | None) -> Tensor:
        """The next token of each row."""
        written = steps()
        if sampler is None or not any(sampler.samples(number) for number in rows):
            return written.tokens
        tokens = self._choose(written.tokens, written.states, rows, sampler)
        steps.slots.tokens[: len(rows)] = tokens
        return tokens

    def _pick(self, states: Tensor, numbers: Sequence[int], sampler: Sampler | None) -> Tensor:
        tokens = self._head.likeliest(states)
        return tokens if sampler is None else self._choose(tokens, states, numbers, sampler)

    def _choose(self, tokens: Tensor, states: Tensor, numbers: Sequence[int], sampler: Sampler) -> Tensor:
        """The likeliest tokens, with those that are sampled in their places."""
        places = [place for place, number in enumerate(numbers) if sampler.samples(number)]
        if places:
            chosen = sampler.choose(self._head.logits(states[places]), [numbers[place] for place in places])
            tokens[places] = chosen.to(tokens.device)
        return tokens

    def _spot(self, prompt: PromptIds, photo: Patched) -> Spot:
        rows, columns = (side // self._merge for side in photo.grid)
        return Spot(len(prompt.before), rows, columns, len(prompt.after))


def _leave(slots: Slots, rows: list[int], writing: Mapping[int, _Writing]) -> list[int]:
    """Drop the rows whose answers have ended."""
    order = slots.keep([place for place, number in enumerate(rows) if number in writing])
    return [rows[place] for place in order]
