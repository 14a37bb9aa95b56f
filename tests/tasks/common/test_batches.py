"""Batches lose nothing, keep the order, and are as large as asked at the time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.common.batches import batches
from tests.builders import examples


@examples()
@given(st.integers(0, 60), st.lists(st.integers(1, 20), min_size=60, max_size=60))
def test_nothing_is_lost_and_every_size_is_kept_but_the_last(count: int, sizes: list[int]) -> None:
    asked = iter(sizes)
    got = list(batches(iter(range(count)), lambda: next(asked)))
    assert [item for batch in got for item in batch] == list(range(count))
    assert [len(batch) for batch in got[:-1]] == sizes[: len(got[:-1])]
    assert all(0 < len(batch) <= size for batch, size in zip(got, sizes, strict=False))


def test_items_are_drawn_when_their_batch_is() -> None:
    drawn: list[int] = []
    parts = batches((drawn.append(number) or number for number in range(9)), lambda: 2)
    assert next(parts) == (0, 1)
    assert drawn == [0, 1]
