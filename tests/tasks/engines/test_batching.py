"""Batches by length."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.batching import pack
from tests.builders import examples

lengths = st.lists(st.integers(1, 500), max_size=60)


@given(lengths, st.integers(1, 9), st.integers(1, 2000))
@examples()
def test_items_keep_their_order_and_no_batch_is_over_budget(sizes: list[int], items: int, tokens: int) -> None:
    batches = list(pack(range(len(sizes)), sizes.__getitem__, most_items=items, most_tokens=tokens))
    assert [index for batch in batches for index in batch] == list(range(len(sizes)))
    for batch, after in zip_longest(batches, batches[1:], fillvalue=[]):
        assert batch
        assert len(batch) <= items
        assert padded(batch, sizes) <= tokens or len(batch) == 1
        if after:  # and none is smaller than it has to be
            assert len(batch) == items or padded([*batch, after[0]], sizes) > tokens


def padded(batch: list[int], sizes: list[int]) -> int:
    return max(sizes[index] for index in batch) * len(batch)


def test_a_full_batch_is_given_before_more_is_drawn() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(4):
            drawn.append(number)
            yield number

    assert next(pack(items(), lambda _: 1, most_items=2, most_tokens=100)) == [0, 1]
    assert drawn == [0, 1]


def test_an_item_over_the_budget_is_alone() -> None:
    assert list(pack([500, 5], lambda tokens: tokens, most_items=8, most_tokens=100)) == [[500], [5]]
