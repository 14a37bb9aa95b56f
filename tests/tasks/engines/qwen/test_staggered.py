"""Answers of many lengths in one batch, entering and leaving at any time, held to each answered alone."""

from __future__ import annotations

from functools import cache
from unittest.mock import patch

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.engines.qwen import generator as module
from tasks.engines.qwen.generator import Generator
from tasks.engines.qwen.kv_slots import ROUND
from tasks.engines.sequence import Sequence
from tests.builders import examples
from tests.tasks.engines.qwen.random_model import (
    NORMALISATION,
    PROMPT,
    VOCABULARY,
    about_photo,
    about_text,
    photo,
    random_model,
)
from tests.tasks.engines.qwen.sources import keeping

LONGEST = ROUND + 40
"""Tokens: answers begin in one block of a slot's memory and end in the next."""

GRIDS = [(1, 1), (2, 3), (9, 12), (7, 15)]
"""The last two, with the prompt, leave an answer a few tokens before the end of a block."""


@cache
def _model() -> torch.nn.Module:
    return random_model()


Subject = tuple[tuple[int, int] | None, int]
"""A photo's grid and seed; or, without a photo, the length of a text."""

SUBJECTS: list[Subject] = [*((grid, seed) for grid in GRIDS for seed in range(3)), (None, 2), (None, 30), (None, 101)]


def _sequence(request_id: str, subject: Subject, most: int) -> Sequence:
    grid, number = subject
    if grid is None:
        return about_text(request_id, tuple((7 * place + number) % VOCABULARY for place in range(number)), most)
    return about_photo(request_id, photo(number, *grid), most)


@cache
def _alone(subject: Subject) -> list[int]:
    """The answer without an end, one sequence in the batch."""
    generator = Generator(_model(), NORMALISATION, frozenset())
    return generator.answer([_sequence("alone", subject, LONGEST)])[0].output


def _cut(answer: list[int], most: int, ends: frozenset[int]) -> list[int]:
    found = []
    for token in answer[:most]:
        found.append(token)
        if token in ends:
            break
    return found


Asking = tuple[int, int]
"""Which subject, and the limit of the answer."""


@given(
    asked=st.lists(st.tuples(st.integers(0, len(SUBJECTS) - 1), st.integers(1, LONGEST)), min_size=1, max_size=14),
    ends=st.frozensets(st.integers(0, VOCABULARY - 1), max_size=6),
    size=st.integers(1, 8),
    least=st.integers(1, 8),
    lag=st.integers(0, 2),
    leaving=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
# The longest ends at once, and stays beside one that goes on for longer than its slot has room.
@example([(6, 5), (0, LONGEST), (1, LONGEST), (2, LONGEST), (3, 100)], frozenset(), 5, 1, 0, 0.25)
@example([(9, 3), (0, LONGEST)], frozenset(), 2, 1, 2, 1.0)
@example([(14, 3), (12, LONGEST), (13, LONGEST), (0, 40)], frozenset(), 4, 1, 1, 0.5)
@examples(40)
def test_each_is_answered_as_alone_whoever_enters_ends_and_leaves(
    asked: list[Asking], ends: frozenset[int], size: int, least: int, lag: int, leaving: float
) -> None:
    generator = Generator(_model(), NORMALISATION, ends)
    generator.lag = lag
    sequences = [_sequence(str(number), SUBJECTS[which], most) for number, (which, most) in enumerate(asked)]
    with patch.object(module, "LEAVING", leaving):
        finished = list(generator.run(PROMPT.shared, keeping(size, sequences, min(least, size))))
    assert {one.request.id for one in finished} == {one.request.id for one in sequences}
    for one, (which, most) in zip(sequences, asked, strict=True):
        assert one.output == _cut(_alone(SUBJECTS[which]), most, ends)
        assert one.finish_reason == ("stop" if one.output[-1] in ends else "length")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_device_without_recordings_answers_the_same() -> None:
    """As with weights of 8 or 4 bits, whose steps are not recorded."""
    generator = Generator(random_model().cuda(), NORMALISATION, frozenset())
    generator._record = False
    limits = [5, *[LONGEST] * 5]
    sequences = [
        _sequence(str(number), SUBJECTS[(6, 0, 1, 2, 0, 1)[number]], most) for number, most in enumerate(limits)
    ]
    assert [len(one.output) for one in generator.answer(sequences)] == limits
