"""Slots, held to a list of tokens for each answer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.qwen.kv_slots import ROUND, KVSlots, attend_causally, attend_one_token
from tests.builders import examples

HEADS, GROUPS, WIDTH, LAYERS = 2, 3, 4, 2


def states(seed: int, rows: int, tokens: int, heads: int = HEADS) -> torch.Tensor:
    return torch.randn(rows, heads, tokens, WIDTH, generator=torch.Generator().manual_seed(seed))


def mixed(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Attention of the last tokens of one row, written out: queries [heads, tokens, width]."""
    keys, values = (part.repeat_interleave(GROUPS, 0).double() for part in (keys, values))
    scores = queries.double() @ keys.transpose(1, 2) / WIDTH**0.5
    tokens, seen = scores.shape[1:]
    scores = scores.masked_fill(~torch.ones(tokens, seen, dtype=torch.bool).tril(seen - tokens), -torch.inf)
    return (scores.softmax(-1) @ values).float()


Row = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values [heads, tokens, width] of each layer, of all tokens so far."""


@given(st.integers(1, 5), st.lists(st.sampled_from(["enter", "step", "keep"]), max_size=12), st.data())
@examples()
def test_rows_hold_what_they_were_given_wherever_they_are(prefix: int, acts: list[str], data: st.DataObject) -> None:
    shared = [(states(layer, 1, prefix), states(-layer - 1, 1, prefix)) for layer in range(LAYERS)]
    slots, rows, seed = KVSlots(shared), list[Row](), 100
    for act in ["enter", *acts]:
        if act == "enter":
            lengths = data.draw(st.lists(st.integers(1, 2 * ROUND), min_size=1, max_size=3))
            count, tokens = len(lengths), max(lengths)
            slots.reserve(slots.rows + count, prefix + tokens + 12)
            attend = slots.allocate(lengths, [12] * count, [prefix + length for length in lengths])
            new = [[(pair[0][0], pair[1][0]) for pair in shared] for _ in range(count)]
            first, rows = len(rows), rows + new
            entering = range(first, len(rows))
        elif act == "keep":
            kept = sorted(data.draw(st.sets(st.integers(0, max(0, len(rows) - 1))))) if rows else []
            rows = [rows[place] for place in slots.compact(kept)]
            assert slots.rows == len(rows) == len(kept)
            continue
        elif not rows:
            continue
        else:
            attend = slots.step(len(rows), slots.grow())
            entering, tokens = range(len(rows)), 1
            lengths = [1] * len(rows)
        for layer in range(LAYERS):
            seed += 3
            queries = states(seed, len(entering), tokens, HEADS * GROUPS)
            keys, values = states(seed + 1, len(entering), tokens), states(seed + 2, len(entering), tokens)
            found = attend(layer, queries, keys, values)
            for number, (place, length) in enumerate(zip(entering, lengths, strict=True)):
                before = rows[place][layer]
                rows[place][layer] = tuple(
                    torch.cat([old, part[number, :, :length]], 1)
                    for old, part in zip(before, (keys, values), strict=True)
                )
                want = mixed(queries[number, :, :length], *rows[place][layer])
                torch.testing.assert_close(found[number, :, :length], want, atol=1e-5, rtol=1e-4)
        assert slots.used == [row[0][0].shape[1] for row in rows]
        assert slots.lengths[: len(rows)].tolist() == slots.used


def test_memory_becomes_more_slots_when_photos_are_shorter_and_is_not_more() -> None:
    slots = KVSlots([(states(0, 1, 8), states(1, 1, 8))])
    slots.reserve(2, 1024)
    assert (slots.slots, slots.room) == (2, 1024)
    slots.reserve(3, 250)
    assert (slots.slots, slots.room) == (8, 256)
    moves = slots.moves
    for rows in range(1, 9):
        slots.reserve(rows, 256)
    assert slots.moves == moves


def test_a_row_that_is_under_way_keeps_its_room() -> None:
    slots = KVSlots([(states(0, 1, 8), states(1, 1, 8))])
    slots.reserve(1, 1000)
    slots.allocate([480], [500], [488])
    slots.reserve(4, 100)
    assert slots.room >= 8 + 480 + 500


def test_a_row_whose_answer_has_ended_may_be_stepped_on_without_harm_to_others() -> None:
    slots = KVSlots([(states(0, 1, 8), states(1, 1, 8))])
    slots.reserve(2, ROUND)
    slots.allocate([ROUND - 8] * 2, [4, 4], [1, 1])(
        0, states(2, 2, ROUND - 8, 6), states(3, 2, ROUND - 8), states(4, 2, ROUND - 8)
    )
    slots.lengths[1] = 20
    before = slots._memory[0][0][1, :, :20].clone()
    for _ in range(3):
        attend = slots.step(2, ROUND)
        found = attend(0, states(5, 2, 1, 6), states(6, 2, 1), states(7, 2, 1))
        assert bool(found.isfinite().all())
    assert torch.equal(slots._memory[0][0][1, :, :20], before)
    assert slots.lengths.tolist() == [ROUND + 3, 23]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("tokens", "seen"), [(1, 1), (1, 9), (5, 5), (5, 12)])
def test_attention_is_that_of_the_formula(tokens: int, seen: int, dtype: torch.dtype) -> None:
    queries, keys, values = states(0, 2, tokens, 6), states(1, 2, seen), states(2, 2, seen)
    want = torch.stack([mixed(queries[row], keys[row], values[row]) for row in range(2)])
    given = [part.to(dtype) for part in (queries, keys, values)]
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(attend_causally(*given).float(), want, atol=tolerance, rtol=tolerance)
    if tokens == 1:
        bias = torch.zeros(2, 1, 1, seen, dtype=dtype)
        torch.testing.assert_close(attend_one_token(*given, bias).float(), want, atol=tolerance, rtol=tolerance)
