"""Tests of the order of photos."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.inputs.order import natural_key
from tests.builders import examples

anything = st.text(st.characters(), max_size=12)


def test_numbers_count_by_their_value() -> None:
    names = ["img10.jpg", "img2.jpg", "IMG1.jpg", "img1.png", "照片11.jpg", "照片9.jpg", "2.jpg", "10.jpg"]
    assert sorted(names, key=natural_key) == [
        "2.jpg",
        "10.jpg",
        "IMG1.jpg",
        "img1.png",
        "img2.jpg",
        "img10.jpg",
        "照片9.jpg",
        "照片11.jpg",
    ]


@examples()
@given(
    st.text("abc设备_", max_size=5), st.integers(0, 10**12), st.integers(0, 10**12), st.sampled_from([".jpg", "x", ""])
)
def test_the_greater_number_comes_later(stem: str, one: int, two: int, tail: str) -> None:
    assert (natural_key(f"{stem}{one}{tail}") < natural_key(f"{stem}{two}{tail}")) is (one < two)


@examples()
@given(anything, anything, anything)
def test_the_order_is_total(one: str, two: str, three: str) -> None:
    a, b, c = natural_key(one), natural_key(two), natural_key(three)
    assert (a == b) is (one == two)
    assert (a < b) + (b < a) + (a == b) == 1
    if a <= b <= c:
        assert a <= c


@examples()
@given(st.lists(anything, unique=True, max_size=8), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_how_names_were_listed(names: list[str], random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sorted(shuffled, key=natural_key) == sorted(names, key=natural_key)


@examples()
@given(st.text("abcXYZ", min_size=1, max_size=6), st.integers(0, 999))
def test_case_and_leading_zeros_only_settle_ties(stem: str, number: int) -> None:
    assume(stem.lower() != stem.upper())
    for twin in (f"{stem.upper()}{number}", f"{stem.lower()}{number:05d}"):
        assert natural_key(f"{stem.lower()}{number}") < natural_key(f"{stem.upper()}{number + 1}")
        assert natural_key(twin) < natural_key(f"{stem.lower()}{number + 1}")
