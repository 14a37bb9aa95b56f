"""Keys and values of the sequences in a batch, a slot for each, and the attention that reads them.

Memory is taken once, and its place does not change from token to token: a device can be given all steps of a kind at
once (`tasks.engines.qwen.decode_steps`). Slots have lengths of their own; nothing is padded but what is read at a step.

A slot of one layer, in tokens:

    0            before           prompt ends             used          end                room
    | shared part | photo, own part | answer so far ...    | still free   | of no use to it   |

`before` and `room` are those of all slots. The shared part is the same in each, and lies in each: attention then reads
one piece of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

from tasks.engines.qwen.language import Attend, Language

KV = tuple[Tensor, Tensor]
"""Keys and values of one layer, [rows, heads, tokens, width]."""

ROUND = 128
"""Slots have room for a multiple of so many tokens."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was read of a prompt and photo after the shared part: enough to answer it once more.

    `kv` has a pair [1, heads, tokens, width] for each layer, `state` [width] is what the first token of an answer
    follows, `position` the rotary position of that token.
    """

    kv: list[KV]
    state: Tensor
    position: int

    @property
    def tokens(self) -> int:
        """Tokens that were read."""
        return int(self.kv[0][0].shape[2])


class KVSlots:
    """Slots after one shared part. The first ones are in use, without a gap.

    On the device, int64 [slots]: `tokens` (the next input of each row), `positions` (its rotary position) and
    `lengths` (tokens that the slot holds). `used` are the lengths of the slots in use, known without asking the
    device, and `ends` what they may become: `used` stays there, while `lengths` goes on (`grow`). `moves` counts how
    often the memory was taken anew.
    """

    def __init__(self, shared: Sequence[KV]) -> None:
        first = shared[0][0]
        self.shared = shared
        self.before: int = first.shape[2]
        self.used: list[int] = []
        self.ends: list[int] = []
        self.moves = 0
        self._memory: list[list[Tensor]] = [[part[:, :, :0].expand(0, -1, -1, -1) for part in kv] for kv in shared]
        self.tokens, self.positions, self.lengths = (
            torch.zeros(0, dtype=torch.long, device=first.device) for _ in range(3)
        )

    @property
    def rows(self) -> int:
        """Slots in use."""
        return len(self.used)

    @property
    def room(self) -> int:
        """Tokens that a slot has room for, the shared part among them."""
        return int(self._memory[0][0].shape[2])

    @property
    def slots(self) -> int:
        """Slots, used or not."""
        return int(self._memory[0][0].shape[0])

    def reserve(self, rows: int, room: int) -> None:
        """See that there are so many slots, with room for so many tokens each, beside what those in use may become.

        Where there are not, memory is taken anew: no more than is asked for, unless there was more before. Then it
        becomes as many slots as it can, for the longest prompts are seldom the most.
        """
        if rows <= self.slots and room <= self.room:
            return
        room = -(-max([room, *self.ends]) // ROUND) * ROUND
        rows = max(rows, self.slots * self.room // room)
        self.moves += 1
        for memory, shared in zip(self._memory, self.shared, strict=True):
            for number, begun in enumerate(shared):
                old = memory[number][: self.rows, :, :room]
                # Zeros: what is masked must still be a number.
                memory[number] = begun.new_zeros(rows, begun.shape[1], room, begun.shape[3])
                memory[number][:, :, : self.before] = begun
                memory[number][: self.rows, :, : old.shape[2]] = old
        self.tokens, self.positions, self.lengths = (
            torch.cat([old[: self.rows], old.new_zeros(rows - self.rows)])
            for old in (self.tokens, self.positions, self.lengths)
        )

    def compact(self, rows: Sequence[int]) -> list[int]:
        """Drop every row but these. The rows, in their new order: the last ones take the places that become free."""
        kept = set(rows)
        free = [place for place in range(len(kept)) if place not in kept]
        moved = sorted(place for place in kept if place >= len(kept))
        if moved:
            to, of = (torch.tensor(some, device=self.lengths.device) for some in (free, moved))
            for tensor in (self.tokens, self.positions, self.lengths):
                tensor[to] = tensor[of]
            for memory in self._memory:
                for part in memory:
                    part[to, :, self.before :] = part[of, :, self.before :]
        came = dict(zip(free, moved, strict=True))
        order = [came.get(place, place) for place in range(len(kept))]
        self.used = [self.used[place] for place in order]
        self.ends = [self.ends[place] for place in order]
        return order

    def allocate(self, tokens: Sequence[int], answers: Sequence[int], positions: Sequence[int]) -> Attend:
        """Take the next slots for rows of which so many `tokens` are about to be read after the shared part.

        Their answers, of at most so many tokens each, begin at these rotary `positions`. Gives the attention to read
        them with, all padded behind to the longest: what a row reads behind its end is overwritten by its answer. There
        must be room.
        """
        place = self._take(tokens, answers, positions)
        longest = max(tokens)

        def attend(layer: int, queries: Tensor, *new: Tensor) -> Tensor:
            whole = []
            for memory, part in zip(self._memory[layer], new, strict=True):
                memory[place, :, self.before : self.before + longest] = part
                whole.append(memory[place, :, : self.before + longest])
            return attend_causally(queries, whole[0], whole[1])

        return attend

    def load(self, question: Question, answers: Sequence[int]) -> None:
        """Take the next slots for further answers to a question that was read before. There must be room."""
        count = len(answers)
        place = self._take([question.tokens] * count, answers, [question.position] * count)
        for memory, kv in zip(self._memory, question.kv, strict=True):
            for part, read in zip(memory, kv, strict=True):
                part[place, :, self.before : self.before + question.tokens] = read

    def question(self, row: int, tokens: int, state: Tensor, position: int) -> Question:
        """What slot `row` holds of its question; valid until the slot is given to another."""
        kv = [
            (
                memory[0][row : row + 1, :, self.before : self.before + tokens],
                memory[1][row : row + 1, :, self.before : self.before + tokens],
            )
            for memory in self._memory
        ]
        return Question(kv, state, position)

    def grow(self) -> int:
        """Count one more token in each slot in use. The tokens that the step must look at: never more than `room`.

        An answer that has ended keeps its slot until rows leave, and is stepped on until then. Its slot has no room
        for that, so that it is counted up to its end only: nobody reads what is written beyond.
        """
        self.used = [min(length + 1, end) for length, end in zip(self.used, self.ends, strict=True)]
        return max(self.used)

    def step(self, rows: int, attended: int) -> Attend:
        """The attention of one more token for each of the first `rows` slots, which is added to them.

        `attended` is at least what any of them holds then (`grow`), but for those whose answer has ended. Nothing here
        depends on what is on the device, but for what is read there.
        """
        lengths = self.lengths[:rows]
        room, heads = self.room, self._memory[0][0].shape[1]
        row = torch.arange(rows * heads, device=lengths.device).view(rows, heads)
        places = (row * room + lengths.clamp(max=room - 1)[:, None]).flatten()
        hidden = torch.arange(attended, device=lengths.device) > lengths[:, None]
        bias = torch.zeros(rows, attended, dtype=self._memory[0][0].dtype, device=lengths.device)
        bias = bias.masked_fill_(hidden, -torch.inf)[:, None, None]
        lengths += 1

        def attend(layer: int, queries: Tensor, *new: Tensor) -> Tensor:
            whole = []
            for memory, part in zip(self._memory[layer], new, strict=True):
                memory.view(-1, memory.shape[3]).index_copy_(0, places, part.flatten(0, 2))
                whole.append(memory[:rows, :, :attended])
            return attend_one_token(queries, whole[0], whole[1], bias)

        return attend

    def _take(self, tokens: Sequence[int], answers: Sequence[int], positions: Sequence[int]) -> slice:
        place = slice(self.rows, self.rows + len(tokens))
        used = [self.before + count for count in tokens]
        self.used += used
        self.ends += [length + answer for length, answer in zip(used, answers, strict=True)]
        for tensor, values in ((self.lengths, used), (self.positions, positions)):
            tensor[place] = torch.tensor(values, dtype=tensor.dtype, device=tensor.device)
        return place


def read_shared(language: Language, ids: Sequence[int], rows: int = 1) -> list[KV]:
    """Keys and values [rows, heads, tokens, width] of so many rows of the same tokens, layer by layer."""
    pairs: list[KV] = []

    def attend(_: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        pairs.append((keys, values))
        return attend_causally(queries, keys, values)

    embeds = language.embed(torch.tensor([list(ids)], device=language.device)).expand(rows, -1, -1)
    language(embeds, torch.arange(len(ids), device=language.device).expand(3, rows, -1), attend)
    return pairs


def attend_after(shared: Sequence[KV]) -> Attend:
    """The attention of rows that are read after the shared part and not kept."""

    def attend(layer: int, queries: Tensor, *new: Tensor) -> Tensor:
        rows = queries.shape[0]
        keys, values = (
            torch.cat([begun.expand(rows, -1, -1, -1), part], 2) for begun, part in zip(shared[layer], new, strict=True)
        )
        return attend_causally(queries, keys, values)

    return attend


def attend_causally(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """For queries [rows, heads, tokens, width] of the last tokens that keys and values [rows, fewer heads, all tokens,
    width] have: each looks at its own token and at those before it.
    """
    tokens, seen = queries.shape[2], keys.shape[2]
    if queries.is_cuda and queries.dtype != torch.float32:
        return scaled_dot_product_attention(
            queries, keys, values, attn_mask=causal_lower_right(tokens, seen), enable_gqa=True
        )
    groups = queries.shape[1] // keys.shape[1]
    may_look = torch.ones(tokens, seen, dtype=torch.bool, device=queries.device).tril(seen - tokens)
    return scaled_dot_product_attention(
        queries, keys.repeat_interleave(groups, 1), values.repeat_interleave(groups, 1), attn_mask=may_look
    )


def attend_one_token(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """For queries [rows, heads, 1, width] of one token a row, all of them after the keys [rows, fewer heads, tokens,
    width]; `bias` [rows, 1, 1, tokens] is minus infinity where a row has no token.

    Heads that share keys are like tokens that share them: keys are read once for all of them.
    """
    rows, heads, _, width = queries.shape
    shared = keys.shape[1]
    grouped = queries.view(rows, shared, heads // shared, width)
    mask = bias.expand(rows, shared, heads // shared, -1)
    return scaled_dot_product_attention(grouped, keys, values, attn_mask=mask).reshape(rows, heads, 1, width)
