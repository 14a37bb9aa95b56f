"""The likeliest token, held to the argmax of all logits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tasks.engines.qwen.output_layer import OutputLayer
from tests.builders import examples


@given(st.integers(1, 40), st.sampled_from([7, 4095, 4096, 4097, 10_000]), st.integers(0, 2**32 - 1))
@examples()
def test_it_is_the_argmax_of_the_logits(rows: int, vocabulary: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(24, vocabulary, bias=False)
    layer.weight.data = torch.randint(-9, 9, layer.weight.shape, generator=generator).float()  # exact in any order
    states = torch.randint(-9, 9, (rows, 24), generator=generator).float()
    with torch.inference_mode():
        logits = OutputLayer(layer).logits(states)
        found = OutputLayer(layer).likeliest(states)
    assert torch.equal(logits.gather(1, found[:, None])[:, 0], logits.amax(1))
    assert torch.equal(found, logits.argmax(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_of_equals_it_is_the_first(dtype: torch.dtype) -> None:
    layer = nn.Linear(4, 9000, bias=False, dtype=dtype)
    layer.weight.data.zero_()
    layer.weight.data[[5000, 8999]] = 1
    assert OutputLayer(layer).likeliest(torch.ones(2, 4, dtype=dtype)).tolist() == [5000, 5000]


def test_a_layer_that_is_not_plain_is_called() -> None:
    class Shifted(nn.Linear):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return super().forward(states).roll(1, -1)

    layer = Shifted(4, 6, bias=False)
    states = torch.randn(3, 4)
    with torch.inference_mode():
        assert torch.equal(OutputLayer(layer).likeliest(states), layer(states).argmax(-1))


def test_log_probs_are_those_of_the_softmax() -> None:
    layer = nn.Linear(24, 300, bias=False)
    states, tokens = torch.randn(150, 24), torch.randint(0, 300, (150,))
    with torch.inference_mode():
        want = layer(states).log_softmax(-1).gather(1, tokens[:, None])[:, 0]
        torch.testing.assert_close(OutputLayer(layer).log_probs(states, tokens), want)
