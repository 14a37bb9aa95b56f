"""Rotary positions, held to transformers' own."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.qwen.positions import Spot
from tests.builders import examples


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 12), st.integers(1, 40))
@examples()
def test_positions_are_those_of_get_rope_index(model: Any, before: int, rows: int, columns: int, after: int) -> None:
    spot = Spot(before, rows, columns, after)
    kinds = torch.tensor([[0] * before + [1] * spot.cells + [0] * (after + 1)])
    grid = torch.tensor([[1, 2 * rows, 2 * columns]])
    want, _ = model.model.get_rope_index(torch.zeros_like(kinds), kinds, grid, attention_mask=torch.ones_like(kinds))
    assert torch.equal(spot.positions(), want[:, 0, before:-1])
    assert want[:, 0, -1].tolist() == [spot.next] * 3
