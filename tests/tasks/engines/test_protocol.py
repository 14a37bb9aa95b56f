"""The order in which requests waste least."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.protocol import Decoding, Request, longest_first
from tests.builders import examples
from tests.tasks.work.table_engine import TableEngine


class Measured(TableEngine):
    """Finds requests as long as their photos are wide."""

    def length(self, request: Request) -> int:
        assert request.size is not None
        return request.size[0]


@given(st.lists(st.integers(1, 9), max_size=40))
@examples()
def test_longest_first_and_equal_lengths_in_order(widths: list[int]) -> None:
    requests = [Request(str(number), bytes, "s", "u", Decoding(8), (width, 1)) for number, width in enumerate(widths)]
    found = [int(request.id) for request in longest_first(Measured({}), requests)]
    assert found == sorted(range(len(widths)), key=lambda number: (-widths[number], number))
