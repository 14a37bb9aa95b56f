"""Answers of many lengths in one batch, entering and leaving at any time, held to each answered alone."""

from __future__ import annotations

from functools import cache
from unittest.mock import patch

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.engines.qwen import generator as module
from tasks.engines.qwen.generator import Asked, Generator
from tasks.engines.qwen.slots import ROUND
from tests.builders import examples
from tests.tasks.engines.qwen.random_model import NORMALISATION, PROMPT, photo, random_model
from tests.tasks.engines.qwen.sources import keeping

LONGEST = ROUND + 40
"""Tokens: answers begin in one block of a slot's memory and end in the next."""

GRIDS = [(1, 1), (2, 3), (9, 12), (7, 15)]
"""The last two, with the prompt, leave an answer a few tokens before the end of a block."""


@cache
def _model() -> torch.nn.Module:
    return random_model()


@cache
def _alone(grid: tuple[int, int], seed: int) -> list[int]:
    """The answer without an end, one photo in the batch."""
    return Generator(_model(), NORMALISATION, frozenset()).answers(PROMPT, [photo(seed, *grid)], LONGEST)[0]


def _cut(answer: list[int], most: int, ends: frozenset[int]) -> list[int]:
    found = []
    for token in answer[:most]:
        found.append(token)
        if token in ends:
            break
    return found


Asking = tuple[int, int, int]
"""Which grid, which picture, and the limit of the answer."""


@given(
    asked=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(1, LONGEST)), min_size=1, max_size=14),
    ends=st.frozensets(st.integers(0, 47), max_size=6),
    size=st.integers(1, 8),
    least=st.integers(1, 8),
    lag=st.integers(0, 2),
    leaving=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
# The longest ends at once, and stays beside one that goes on for longer than its slot has room.
@example([(2, 0, 5), (0, 0, LONGEST), (0, 1, LONGEST), (0, 2, LONGEST), (1, 0, 100)], frozenset(), 5, 1, 0, 0.25)
@example([(3, 0, 3), (0, 0, LONGEST)], frozenset(), 2, 1, 2, 1.0)
@examples(40)
def test_each_is_answered_as_alone_whoever_enters_ends_and_leaves(
    asked: list[Asking], ends: frozenset[int], size: int, least: int, lag: int, leaving: float
) -> None:
    generator = Generator(_model(), NORMALISATION, ends)
    generator.lag = lag
    photos = [Asked(number, photo(seed, *GRIDS[grid]), most) for number, (grid, seed, most) in enumerate(asked)]
    with patch.object(module, "LEAVING", leaving):
        found = dict(generator.run(PROMPT, keeping(size, photos, min(least, size))))
    for number, (grid, seed, most) in enumerate(asked):
        assert found[number] == _cut(_alone(GRIDS[grid], seed), most, ends)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_device_without_recordings_answers_the_same() -> None:
    """As with weights of 8 or 4 bits, whose steps are not recorded."""
    generator = Generator(random_model().cuda(), NORMALISATION, frozenset())
    generator._record = False
    limits = [5, *[LONGEST] * 5]
    photos = [Asked(0, photo(0, 9, 12), 5), *(Asked(n, photo(n % 3, 1, 1), LONGEST) for n in range(1, 6))]
    found = dict(generator.run(PROMPT, keeping(6, photos)))
    assert [len(found[number]) for number in range(6)] == limits
