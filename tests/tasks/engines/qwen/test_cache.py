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
    ours = RoomyCache.begun([shared], rows, sum(steps))
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
    cache = RoomyCache.begun([(states(1, 1, 0), states(1, 1, 1))], rows=2, room=1)
    cache.update(states(2, 1, 2), states(2, 1, 3), 0)
    with pytest.raises(RuntimeError, match="no room"):
        cache.update(states(2, 1, 4), states(2, 1, 5), 0)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 5), st.integers(0, 5), st.integers(0, 3), st.data())
@examples()
def test_joined_rows_end_together_and_begin_with_zeros(
    rows: int, others: int, tokens: int, more: int, start: int, data: st.DataObject
) -> None:
    shared = states(1, 4, 0), states(1, 4, 1)
    caches = []
    for number, (count, length) in enumerate(((rows, tokens), (others, more)), start=2):
        cache = RoomyCache.begun([shared], count, length)
        if length:
            cache.update(states(count, length, number), states(count, length, -number), 0)
        caches.append(cache)
    ours, theirs = caches
    kept = sorted(data.draw(st.sets(st.integers(0, rows - 1), min_size=1)))
    before = ours.layers[0].keys[kept, :, start:].clone(), theirs.layers[0].keys.clone()
    ours.join(theirs, kept, start, room=2)
    length = max(4 + tokens - start, 4 + more)
    assert ours.get_seq_length() == length
    keys = ours.layers[0].keys
    for place, part in ((slice(len(kept)), before[0]), (slice(len(kept), None), before[1])):
        assert torch.equal(keys[place, :, length - part.shape[2] :], part)
        assert not keys[place, :, : length - part.shape[2]].any()
    new = states(len(kept) + others, 2, 9), states(len(kept) + others, 2, -9)
    assert torch.equal(ours.update(*new, 0)[1][:, :, length:], new[1])
