"""A batch in the middle of its answers: rows leave it, and others join. Knows no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.engines.qwen.cache import RoomyCache


@dataclass
class Batch:
    """What the model is given beside the next tokens.

    `mask` is 1 where a row has a token, int64 [rows, `length` and room]; None where every row has one everywhere.
    `length` counts the tokens in the cache. `next` is the position of each row's next token, int64 [rows].
    """

    cache: RoomyCache
    mask: Tensor | None
    length: int
    next: Tensor

    def keep(self, rows: Sequence[int]) -> None:
        """Drop every row but these."""
        self.cache.keep(rows)
        self.next = self.next[list(rows)]
        self.mask = None if self.mask is None else self.mask[list(rows)]

    def join(self, other: Batch, rows: Sequence[int], room: int) -> None:
        """Keep these rows and take in all those of `other`, with room for so many more tokens; `other` is used up."""
        mine, theirs = self._filled()[list(rows)], other._filled()
        # What no row needs goes: a batch that rows leave and join for hours does not grow.
        start = int(mine.argmax(1).min()) if len(mine) else self.length
        mine = mine[:, start:]
        self.cache.join(other.cache, rows, start, room)
        self.length = max(mine.shape[1], other.length)
        self.mask = torch.zeros(len(mine) + len(theirs), self.length + room, dtype=torch.long, device=mine.device)
        self.mask[:, self.length :] = 1
        self.mask[: len(mine), self.length - mine.shape[1] : self.length] = mine
        self.mask[len(mine) :, self.length - other.length : self.length] = theirs
        self.next = torch.cat([self.next[list(rows)], other.next])

    def _filled(self) -> Tensor:
        """The mask of the tokens in the cache, int64 [rows, length]."""
        if self.mask is None:
            return torch.ones(len(self.next), self.length, dtype=torch.long, device=self.next.device)
        return self.mask[:, : self.length]
