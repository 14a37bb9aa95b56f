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
                out[row] = noisy(out[row], decoding, generator)
        return out


def noise_of(sampled_as: str, decoding: Decoding) -> torch.Generator:
    """The source of a request's noise, at its beginning."""
    return torch.Generator().manual_seed(request_seed(sampled_as, decoding.seed, bits=63))


def noisy(logits: torch.Tensor, decoding: Decoding, noise: torch.Generator) -> torch.Tensor:
    """Logits [vocabulary] to scores float32 of the same shape whose argmax is the next token."""
    kept = _nucleus(logits.float() / decoding.temperature, decoding.top_p)
    uniform = torch.rand(kept.shape, generator=noise).clamp_(min=torch.finfo(torch.float32).tiny)
    return kept - (-uniform.log()).log().to(kept.device)


def _nucleus(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """Logits [vocabulary] with all but the smallest set of tokens that holds `top_p` of the probability at -inf."""
    if top_p >= 1:
        return logits
    ordered, order = logits.sort(descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    return logits.masked_fill(torch.zeros_like(logits, dtype=torch.bool).scatter(0, order, before >= top_p), -torch.inf)


def request_seed(sampled_as: str, seed: int, bits: int = 31) -> int:
    """A seed of its own for each request, so that a text does not depend on what else is asked."""
    digest = hashlib.sha256(f"{seed}\0{sampled_as}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - bits)
