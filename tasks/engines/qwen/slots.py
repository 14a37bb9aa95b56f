"""Keys and values of answers under way, a slot for each, all after the same prefix. Knows no weights.

Memory is taken once, and its place does not change from token to token: a device can be given all steps of a kind at
once (`tasks.engines.qwen.steps`). Slots have lengths of their own; nothing is padded but what is read at a step.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tasks.engines.qwen.attention import attend_causally, attend_once
from tasks.engines.qwen.language import Attend

Pair = tuple[Tensor, Tensor]
"""Keys and values of one layer, [rows, heads, tokens, width]."""

ROUND = 128
"""Slots have room for a multiple of so many tokens."""


class Slots:
    """The first slots are in use, without a gap.

    `tokens` (that a row has not been given yet), `positions` (of the same) and `lengths` (tokens that a slot holds)
    are int64 [slots], on the device. `held` are the lengths of those in use, known without asking the device, and
    `ends` what they may become: `held` stays there, while `lengths` goes on (`grow`). `moves` counts how often the
    memory was taken anew.
    """

    def __init__(self, prefix: Sequence[Pair]) -> None:
        first = prefix[0][0]
        self.prefix = prefix
        self.before: int = first.shape[2]
        self.held: list[int] = []
        self.ends: list[int] = []
        self.moves = 0
        self._memory: list[list[Tensor]] = [[part[:, :, :0].expand(0, -1, -1, -1) for part in pair] for pair in prefix]
        self.tokens, self.positions, self.lengths = (
            torch.zeros(0, dtype=torch.long, device=first.device) for _ in range(3)
        )

    @property
    def rows(self) -> int:
        """Slots in use."""
        return len(self.held)

    @property
    def room(self) -> int:
        """Tokens that a slot has room for, the prefix among them."""
        return int(self._memory[0][0].shape[2])

    @property
    def slots(self) -> int:
        """Slots, used or not."""
        return int(self._memory[0][0].shape[0])

    def reserve(self, rows: int, room: int) -> None:
        """See that there are so many slots, with room for so many tokens each, beside what those in use may become.

        Where there are not, memory is taken anew: no more than is asked for, unless there was more before. Then it
        becomes as many slots as it can, for the longest photos are seldom the most.
        """
        if rows <= self.slots and room <= self.room:
            return
        room = -(-max([room, *self.ends]) // ROUND) * ROUND
        rows = max(rows, self.slots * self.room // room)
        self.moves += 1
        for pair, prefix in zip(self._memory, self.prefix, strict=True):
            for number, begun in enumerate(prefix):
                old = pair[number][: self.rows, :, :room]
                # Zeros: what is masked must still be a number.
                pair[number] = begun.new_zeros(rows, begun.shape[1], room, begun.shape[3])
                pair[number][:, :, : self.before] = begun
                pair[number][: self.rows, :, : old.shape[2]] = old
        self.tokens, self.positions, self.lengths = (
            torch.cat([old[: self.rows], old.new_zeros(rows - self.rows)])
            for old in (self.tokens, self.positions, self.lengths)
        )

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Drop every row but these. The rows, in their new order: the last ones take the places that become free."""
        kept = set(rows)
        free = [place for place in range(len(kept)) if place not in kept]
        moved = sorted(place for place in kept if place >= len(kept))
        if moved:
            to, of = (torch.tensor(some, device=self.lengths.device) for some in (free, moved))
            for tensor in (self.tokens, self.positions, self.lengths):
                tensor[to] = tensor[of]
            for pair in self._memory:
                for part in pair:
                    part[to, :, self.before :] = part[of, :, self.before :]
        came = dict(zip(free, moved, strict=True))
        order = [came.get(place, place) for place in range(len(kept))]
        self.held = [self.held[place] for place in order]
        self.ends = [self.ends[place] for place in order]
        return order

    def enter(self, most: Sequence[int], tokens: int, position: int) -> Attend:
        """Take the next slots for rows whose `tokens` are about to be read; their answers, of at most `most` tokens
        each, begin at `position`.

        Gives the attention to read them with. There must be room.
        """
        place = slice(self.rows, self.rows + len(most))
        self.held += [self.before + tokens] * len(most)
        self.ends += [self.before + tokens + some for some in most]
        self.lengths[place] = self.before + tokens
        self.positions[place] = position

        def attend(layer: int, queries: Tensor, *new: Tensor) -> Tensor:
            whole = []
            for memory, part in zip(self._memory[layer], new, strict=True):
                memory[place, :, self.before : self.before + tokens] = part
                whole.append(memory[place, :, : self.before + tokens])
            return attend_causally(queries, whole[0], whole[1])

        return attend

    def grow(self) -> int:
        """Count one more token in each slot in use. The tokens that the step must look at: never more than `room`.

        An answer that has ended keeps its slot until rows leave, and is stepped on until then. Its slot has no room
        for that, so that it is counted up to its end only: nobody reads what is written beyond.
        """
        self.held = [min(length + 1, end) for length, end in zip(self.held, self.ends, strict=True)]
        return max(self.held)

    def step(self, rows: int, seen: int) -> Attend:
        """The attention of one more token for each of the first `rows` slots, which is added to them.

        `seen` is at least what any of them holds then (`grow`), but for those whose answer has ended. Nothing here
        depends on what is on the device, but for what is read there.
        """
        lengths = self.lengths[:rows]
        room, heads = self.room, self._memory[0][0].shape[1]
        row = torch.arange(rows * heads, device=lengths.device).view(rows, heads)
        places = (row * room + lengths.clamp(max=room - 1)[:, None]).flatten()
        hidden = torch.arange(seen, device=lengths.device) > lengths[:, None]
        bias = torch.zeros(rows, seen, dtype=self._memory[0][0].dtype, device=lengths.device)
        bias = bias.masked_fill_(hidden, -torch.inf)[:, None, None]
        lengths += 1

        def attend(layer: int, queries: Tensor, *new: Tensor) -> Tensor:
            whole = []
            for memory, part in zip(self._memory[layer], new, strict=True):
                memory.view(-1, memory.shape[3]).index_copy_(0, places, part.flatten(0, 2))
                whole.append(memory[:rows, :, :seen])
            return attend_once(queries, whole[0], whole[1], bias)

        return attend
