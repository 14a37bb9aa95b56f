"""The likeliest token by way of bfloat16, held to the exact logits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tasks.engines.qwen import output_layer
from tasks.engines.qwen.output_layer import Bf16Argmax, OutputLayer
from tests.builders import examples

seeds = st.integers(0, 2**32 - 1)


@given(
    st.integers(1, 20),
    st.sampled_from([7, 300, 5000, 5120]),
    st.sampled_from([1, 24, 160]),
    st.floats(0.01, 100),
    seeds,
)
@examples()
def test_it_is_the_likeliest_of_the_exact_logits(
    rows: int, vocabulary: int, width: int, scale: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(vocabulary, width, generator=generator) * torch.rand(vocabulary, 1, generator=generator)
    states = scale * torch.randn(rows, width, generator=generator)
    found = Bf16Argmax(weight).likeliest(states)
    if found is None:
        return  # too many were near
    exact = states.double() @ weight.double().T
    chosen = exact.gather(1, found[:, None])[:, 0]
    # What float32 cannot tell apart may be taken for one another.
    assert torch.all(chosen >= exact.amax(1) - 1e-5 * scale * width)


@given(seeds)
@examples()
def test_bfloat16_alone_would_be_wrong_and_this_is_not(seed: int) -> None:
    """Two tokens whose weights are the same number in bfloat16, and the likelier one is the later."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(1000, 32, generator=generator)
    state = torch.randn(1, 32, generator=generator)
    weight[300] = (2 * state[0]).bfloat16()
    weight[700] = weight[300] * (1 + 2**-12)
    assert torch.equal(weight[300].bfloat16(), weight[700].bfloat16())
    found = Bf16Argmax(weight).likeliest(state)
    assert found is not None
    assert found.tolist() == [700]


def test_whole_numbers_are_exact_and_of_equals_it_is_the_first() -> None:
    weight = torch.zeros(9000, 4)
    weight[[5000, 8999]] = 1
    found = Bf16Argmax(weight).likeliest(torch.ones(2, 4))
    assert found is not None
    assert found.tolist() == [5000, 5000]


def test_too_many_that_are_near_and_states_that_are_no_numbers_are_left_to_others() -> None:
    assert Bf16Argmax(torch.zeros(9000, 4)).likeliest(torch.ones(2, 4)) is None
    assert Bf16Argmax(torch.randn(900, 4)).likeliest(torch.full((1, 4), torch.nan)) is None


def test_an_output_layer_is_bf16ed_where_it_pays_and_answers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = nn.Linear(16, 20_000, bias=False)
    states = torch.randn(12, 16)
    found = []
    for fast in (True, False):
        monkeypatch.setattr(output_layer, "has_fast_bfloat16", lambda fast=fast: fast)
        one = OutputLayer(layer)
        assert (one._bf16 is not None) == fast
        with torch.inference_mode():
            found.append(one.likeliest(states))
    assert torch.equal(*found)
    with torch.inference_mode():
        assert torch.equal(found[0], one.logits(states).argmax(1))
