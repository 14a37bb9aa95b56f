"""Items given out to several takers."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from tasks.common.queues import PeekableQueue, SharedQueue
from tests.builders import examples

moves = st.lists(st.tuples(st.integers(0, 2), st.one_of(st.none(), st.integers(0, 3))), max_size=40)


@given(st.integers(0, 20), moves)
@examples()
def test_each_item_goes_to_one_lane_in_order_and_what_was_looked_at_comes(
    count: int, told: list[tuple[int, int | None]]
) -> None:
    shared = SharedQueue(range(count))
    lanes = [PeekableQueue(shared) for _ in range(3)]
    taken: list[list[int]] = [[], [], []]
    seen: list[dict[int, int]] = [{}, {}, {}]  # what each lane was shown, by its own place
    for number, place in told:
        if place is not None:
            item = lanes[number].peek(place)
            at = len(taken[number]) + place
            assert seen[number].get(at, item) == item
            if item is not None:
                seen[number][at] = item
        elif (item := lanes[number].take()) is not None:
            assert seen[number].get(len(taken[number]), item) == item
            taken[number].append(item)
    for lane, own in zip(lanes, taken, strict=True):
        own.extend(iter(lane.take, None))
    assert sorted(item for own in taken for item in own) == list(range(count))
    for own, shown in zip(taken, seen, strict=True):
        assert own == sorted(own)
        assert all(own[at] == item for at, item in shown.items())


def test_nothing_is_drawn_before_it_is_asked_for() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(9):
            drawn.append(number)
            yield number

    lane = PeekableQueue(SharedQueue(items()))
    assert drawn == []
    assert lane.peek(1) == 1
    assert (lane.take(), lane.take(), drawn) == (0, 1, [0, 1])


def test_many_threads_draw_each_item_once() -> None:
    shared = SharedQueue(range(4000))
    found: list[int] = []

    def draw() -> None:
        found.extend(iter(shared.draw, None))

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(4000))
