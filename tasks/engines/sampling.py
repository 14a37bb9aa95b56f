"""Sampling that depends on nothing but a request: what it is sampled as, its seed, and the step.

By the Gumbel-max trick (Gumbel 1954; Maddison et al. 2014): the argmax of logits / temperature plus independent Gumbel
noise is a sample from the softmax. Each request has noise of its own, seeded by that and its seed, so that a text
depends neither on batch mates nor on what was sampled before. Noise is drawn on the CPU, so that every device samples
the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from transformers import LogitsProcessor

from tasks.engines.protocol import Decoding

_LIKELIEST = 256  # among so many tokens most nuclei are found


class RowSampling(LogitsProcessor):  # type: ignore[misc]
    """Makes greedy decoding of each row a sample from that row's own distribution; for transformers' `generate`.

    Rows at temperature 0 stay greedy.
    """

    def __init__(self, rows: Sequence[tuple[str, Decoding]]) -> None:
        """Rows by what they are sampled as, and decoding."""
        self._rows = [(decoding, noise_of(sampled_as, decoding)) for sampled_as, decoding in rows]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.Tensor:
        """Scores [rows, vocabulary] to scores of the same shape whose argmax is the sample."""
        out = scores.float().clone()
        for row, (decoding, generator) in enumerate(self._rows):
            if decoding.temperature > 0:
                token = draw(out[row], decoding, generator)
                out[row] = -torch.inf
                out[row, token] = 0.0
        return out


def noise_of(sampled_as: str, decoding: Decoding) -> torch.Generator:
    """The source of a request's noise, at its beginning."""
    return torch.Generator().manual_seed(request_seed(sampled_as, decoding.seed, bits=63))


def draw(logits: torch.Tensor, decoding: Decoding, noise: torch.Generator) -> torch.Tensor:
    """The next token, int64 [], by logits [vocabulary]. Takes noise for the whole vocabulary, whatever is kept."""
    kept, tokens = _nucleus(logits.float() / decoding.temperature, decoding.top_p)
    uniform = torch.rand(len(logits), generator=noise).clamp_(min=torch.finfo(torch.float32).tiny)
    gumbel = -(-uniform[tokens.cpu()].log()).log()
    return tokens[(kept + gumbel.to(kept.device)).argmax()]


def _nucleus(logits: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [kept] and token ids [kept] of the smallest set that holds `top_p` of the probability, likeliest first.

    Of a vocabulary of 150,000 a dozen tokens are kept: to sort them all costs twenty times as much as to find these.
    """
    if top_p >= 1:
        return logits, torch.arange(len(logits), device=logits.device)
    total, count = logits.logsumexp(-1), min(_LIKELIEST, len(logits))
    while True:
        ordered, tokens = logits.topk(count)
        chance = (ordered - total).exp()
        before = chance.cumsum(-1) - chance
        kept = max(1, int((before < top_p).sum()))
        if kept < count or count == len(logits):
            return ordered[:kept], tokens[:kept]
        count = min(16 * count, len(logits))


def request_seed(sampled_as: str, seed: int, bits: int = 31) -> int:
    """A seed of its own for each request, so that a text does not depend on what else is asked."""
    digest = hashlib.sha256(f"{seed}\0{sampled_as}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - bits)
