"""One photo that is refused is its own fault, three in a row are not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.refused import IN_A_ROW, RefusedPhotos
from tests.builders import examples


def test_three_different_photos_in_a_row_whatever_order_their_refusals_come_in() -> None:
    refused = RefusedPhotos()
    places = [refused.place() for _ in range(5)]
    assert not refused.add(places[0], "a", "400")
    assert not refused.add(places[4], "e", "400")
    assert not refused.add(places[2], "c", "400")
    assert refused.add(places[3], "d", "400")


def test_one_that_is_answered_between_breaks_the_row() -> None:
    refused = RefusedPhotos()
    places = [refused.place() for _ in range(9)]
    assert not any(refused.add(place, str(place), "400") for place in places if place % 3)


def test_the_same_photo_again_and_again_is_one_photo() -> None:
    refused = RefusedPhotos()
    assert not any(refused.add(refused.place(), "a", "400") for _ in range(9))


def test_photos_that_are_refused_in_different_ways_are_no_row() -> None:
    refused = RefusedPhotos()
    assert not any(refused.add(refused.place(), photo, how) for photo, how in zip("abcdef", "xyxyxy", strict=True))


@given(
    st.lists(st.sampled_from(["", "x", "y"]), max_size=30).flatmap(
        lambda row: st.tuples(st.just(row), st.permutations(range(len(row))))
    )
)
@examples()
def test_it_is_told_exactly_when_there_is_a_row(told: tuple[list[str], list[int]]) -> None:
    row, order = told
    refused = RefusedPhotos()
    places = [refused.place() for _ in row]
    found = [refused.add(places[at], str(at), row[at]) for at in order if row[at]]
    expected = any(how and row[at : at + IN_A_ROW] == [how] * IN_A_ROW for at, how in enumerate(row))
    assert any(found) == expected
