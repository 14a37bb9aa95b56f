"""Batches by length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.batching import plan_batches

lengths = st.lists(st.integers(1, 500), max_size=60)


@given(lengths, st.integers(1, 9), st.integers(1, 2000))
def test_every_item_is_in_one_batch_and_no_batch_is_over_budget(sizes: list[int], items: int, tokens: int) -> None:
    batches = plan_batches(range(len(sizes)), sizes, most_items=items, most_tokens=tokens)
    assert sorted(index for batch in batches for index in batch) == list(range(len(sizes)))
    for batch in batches:
        padded = max(sizes[index] for index in batch) * len(batch)
        assert len(batch) <= items
        assert padded <= tokens or len(batch) == 1


@given(lengths, st.integers(1, 9), st.integers(1, 2000))
def test_longest_first_and_equal_lengths_in_order(sizes: list[int], items: int, tokens: int) -> None:
    flat = [
        index
        for batch in plan_batches(range(len(sizes)), sizes, most_items=items, most_tokens=tokens)
        for index in batch
    ]
    assert flat == sorted(range(len(sizes)), key=lambda index: (-sizes[index], index))


def test_like_lengths_share_a_batch() -> None:
    batches = plan_batches("abcdef", [10, 99, 11, 98, 12, 97], most_items=3, most_tokens=10_000)
    assert batches == [["b", "d", "f"], ["e", "c", "a"]]


def test_an_item_over_the_budget_is_alone() -> None:
    assert plan_batches("ab", [500, 5], most_items=8, most_tokens=100) == [["a"], ["b"]]
