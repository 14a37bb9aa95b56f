"""Rotary positions and embeddings, held to transformers' own."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.qwen.rotary import next_position, positions_of
from tests.builders import examples


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 12), st.integers(1, 40))
@examples()
def test_positions_are_those_of_get_rope_index(model: Any, before: int, rows: int, columns: int, after: int) -> None:
    kinds = torch.tensor([[0] * before + [1] * rows * columns + [0] * (after + 1)])
    grid = torch.tensor([[1, 2 * rows, 2 * columns]])
    want, _ = model.model.get_rope_index(torch.zeros_like(kinds), kinds, grid, attention_mask=torch.ones_like(kinds))
    assert torch.equal(positions_of(before, (rows, columns), after), want[:, 0, before:-1])
    assert want[:, 0, -1].tolist() == [next_position(before, (rows, columns), after)] * 3


@given(st.integers(1, 40), st.integers(1, 40))
@examples(20)
def test_text_alone_is_counted_through(before: int, own: int) -> None:
    assert torch.equal(positions_of(before, (0, 0), own), torch.arange(before, before + own).expand(3, -1))
    assert next_position(before, (0, 0), own) == before + own
