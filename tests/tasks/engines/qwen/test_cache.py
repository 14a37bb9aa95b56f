"""The cache with room, held to transformers' own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache

from tasks.engines.qwen.cache import RoomyCache
from tests.builders import examples

HEADS, WIDTH = 2, 4


def states(rows: int, tokens: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, HEADS, tokens, WIDTH, generator=torch.Generator().manual_seed(seed))


@given(st.integers(1, 4), st.integers(1, 5), st.lists(st.integers(1, 3), min_size=1, max_size=5), st.data())
@examples()
def test_it_holds_what_a_growing_cache_holds(rows: int, prefix: int, steps: list[int], data: st.DataObject) -> None:
    theirs = DynamicCache()
    shared = states(1, prefix, 0), states(1, prefix, 1)
    theirs.update(*(part.expand(rows, -1, -1, -1) for part in shared), 0)
    ours = RoomyCache([shared], rows, sum(steps))
    seen = prefix
    for number, tokens in enumerate(steps, start=2):
        new = states(rows, tokens, number), states(rows, tokens, -number)
        want, found = theirs.update(*new, 0), ours.update(*new, 0)
        seen += tokens
        assert ours.get_seq_length() == theirs.get_seq_length() == seen
        assert all(torch.equal(*pair) for pair in zip(found, want, strict=True))
        kept = sorted(data.draw(st.sets(st.integers(0, rows - 1), min_size=1)))
        theirs.batch_select_indices(torch.tensor(kept))
        ours.keep(kept)
        rows = len(kept)


def test_without_room_it_is_an_error() -> None:
    cache = RoomyCache([(states(1, 1, 0), states(1, 1, 1))], rows=2, room=1)
    cache.update(states(2, 1, 2), states(2, 1, 3), 0)
    with pytest.raises(RuntimeError, match="no room"):
        cache.update(states(2, 1, 4), states(2, 1, 5), 0)
