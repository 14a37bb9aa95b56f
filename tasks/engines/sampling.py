"""Sampling that depends on nothing but a request: its id, its seed, and the step. Knows no model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import count

import torch
from transformers import LogitsProcessor

from tasks.engines.protocol import Decoding


class RowSampling(LogitsProcessor):  # type: ignore[misc]
    """Makes greedy decoding of each row a sample from that row's own distribution.

    By the Gumbel-max trick (Gumbel 1954; Maddison et al. 2014): the argmax of logits / temperature plus independent
    Gumbel noise is a sample from the softmax. Each row has a generator of its own, seeded by request id and seed, so
    that a text depends neither on batch mates nor on what was sampled before. Rows at temperature 0 stay greedy.
    Noise is drawn on the CPU, so that every device samples the same.
    """

    def __init__(self, rows: Sequence[tuple[str, Decoding]] = ()) -> None:
        """Rows by request id and decoding, numbered from 0."""
        self._rows: dict[int, tuple[Decoding, torch.Generator]] = {}
        self._numbers = count()
        for key, decoding in rows:
            self.add(key, decoding)

    def add(self, key: str, decoding: Decoding) -> int:
        """Take in one more row; its number."""
        number = next(self._numbers)
        self._rows[number] = decoding, _generator(key, decoding.seed)
        return number

    def drop(self, row: int) -> None:
        """A row is done: what is chosen for it from now on does not matter."""
        del self._rows[row]

    def samples(self, row: int) -> bool:
        """Whether a row is sampled; one that is done is not."""
        return row in self._rows and self._rows[row][0].temperature > 0

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.Tensor:
        """Scores [rows, vocabulary] to scores of the same shape whose argmax is the sample."""
        return self._noisy(scores, range(len(self._rows)))

    def choose(self, logits: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        """The next token, int64 [rows], of those rows of the batch whose logits [rows, vocabulary] these are."""
        return self._noisy(logits, rows).argmax(-1)

    def _noisy(self, scores: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        out = scores.float().clone()
        for place, row in enumerate(rows):
            if not self.samples(row):
                continue
            decoding, generator = self._rows[row]
            logits = _nucleus(out[place] / decoding.temperature, decoding.top_p)
            uniform = torch.rand(logits.shape, generator=generator).clamp_(min=torch.finfo(torch.float32).tiny)
            out[place] = logits - (-uniform.log()).log().to(logits.device)
        return out


def _nucleus(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """Logits [vocabulary] with all but the smallest set of tokens that holds `top_p` of the probability at -inf."""
    if top_p >= 1:
        return logits
    ordered, order = logits.sort(descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    return logits.masked_fill(torch.zeros_like(logits, dtype=torch.bool).scatter(0, order, before >= top_p), -torch.inf)


def request_seed(request_id: str, seed: int, bits: int = 31) -> int:
    """A seed of its own for each request, so that a text does not depend on what else is asked."""
    digest = hashlib.sha256(f"{seed}\0{request_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - bits)


def _generator(key: str, seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(request_seed(key, seed, bits=63))
