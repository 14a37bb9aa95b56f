"""Tests of the types' colours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.dense.colours import BLACK, PALETTE, WHITE, colour_of, contrast
from tests.builders import examples

COMMONEST = ["BBU设备", "挡风板", "安装螺丝", "光模块", "光纤", "接地排", "接地螺丝", "接地线", "标签", "线缆"]


def test_the_commonest_types_have_different_colours() -> None:
    assert len({colour_of(name) for name in COMMONEST}) == len(COMMONEST) == len(set(PALETTE))
    assert colour_of("BBU设备") == (204, 121, 167)


@examples()
@given(st.text(st.characters(exclude_categories=())))
def test_every_type_has_a_colour_on_which_text_can_be_read(name: str) -> None:
    colour = colour_of(name)
    assert colour in PALETTE
    assert contrast(colour) in (BLACK, WHITE)
    assert abs(sum(colour) - sum(contrast(colour))) > 200
