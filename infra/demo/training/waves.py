"""How the tiny Qwen3-VL says where something is: numbers from 0 to 1000 as waves, so that near ones are alike.

With unrelated rows for a thousand numbers every one of them would have to be learnt for itself. Knows no pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

CYCLES = (0.25, 0.5, 1, 2, 4, 8, 16, 32)  # of each wave from 0 to 1000
WIDTH = 2 * len(CYCLES)
GREATEST = 1000
STEP = 10  # the heads that teach tell tens only
SPREAD = 6.0  # thousandths; a miss of these hardly counts, as the model cannot see them
FINE_CYCLES = (64, 128, 256, 400)
FINE_WIDTH = 2 * len(FINE_CYCLES)
APART = 0.5  # distance of the rows of two neighbours from which on one can be told from the other


def waves(numbers: Tensor, cycles: Sequence[float] = CYCLES) -> Tensor:
    """Cosines and sines (..., twice the cycles) of numbers (...)."""
    angles = 2 * math.pi / GREATEST * numbers[..., None].float() * torch.tensor(cycles)
    return torch.cat([angles.cos(), angles.sin()], -1)


def likeness(numbers: Tensor, choices: Tensor, spread: float | Tensor = SPREAD) -> Tensor:
    """What a choice (c,) deserves where a number (n,) is right: a bell around it, shares (n, c) that sum to 1.

    `spread` is that of all bells, or of each (n, 1).
    """
    return torch.softmax(-((numbers[:, None].float() - choices) ** 2) / (2 * spread**2), -1)


def number_tokens(tokenizer: Tokenizer) -> Tensor:
    """The tokens of the numbers 0 to 1000, (1001,)."""
    return torch.tensor([tokenizer.token_to_id(str(number)) for number in range(GREATEST + 1)])


def begin_with_waves(embedding: nn.Embedding, tokens: Tensor, size: float = 1.3) -> None:
    """Give the tokens of the numbers (1001,) rows of length `size` that are waves along random directions."""
    rows = waves(torch.arange(GREATEST + 1))
    directions = torch.linalg.qr(torch.randn(embedding.embedding_dim, WIDTH))[0].T
    with torch.no_grad():
        embedding.weight[tokens] = size / math.sqrt(len(CYCLES)) * rows @ directions


def are_apart(embedding: nn.Embedding, tokens: Tensor) -> bool:
    """Whether the numbers' tokens (1001,) have rows of which one can be told from the next."""
    rows = embedding.weight[tokens].detach()
    return bool((rows[1:] - rows[:-1]).norm(dim=1).mean() >= APART)


def tell_apart(embedding: nn.Embedding, tokens: Tensor, directions: Tensor, size: float) -> None:
    """Add fine waves of amplitude `size` to the numbers' tokens (1001,), along directions (FINE_WIDTH, width).

    The coarse waves alone make neighbours so alike that no number can be copied exactly from one place to another.
    """
    with torch.no_grad():
        embedding.weight[tokens] += size * waves(torch.arange(GREATEST + 1), FINE_CYCLES) @ directions


class NumbersHead(nn.Module):  # type: ignore[misc]
    """A linear head that tells four numbers of each state (n, width), in steps of ten."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read = nn.Linear(width, 4 * WIDTH)

    def forward(self, states: Tensor, numbers: Tensor) -> tuple[Tensor, float]:
        """Cross-entropy against the right numbers (n, 4), and the share of them that are told to within 25."""
        choices = torch.arange(0, GREATEST + 1, STEP)
        logits = self.read(states).float().reshape(-1, WIDTH) @ waves(choices).T
        right = numbers.flatten()
        loss = functional.cross_entropy(logits, likeness(right, choices, 1.5 * STEP))
        near = (choices[logits.argmax(-1)] - right).abs() <= 25
        return loss, float(near.float().mean())
