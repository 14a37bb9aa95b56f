"""The language model's layers called by hand, held to transformers' own forward pass."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb

from configs.parts import ModelConfig
from tasks.engines.loading import load_model
from tasks.engines.qwen.kv_slots import attend_causally
from tasks.engines.qwen.language import Language, side_by_side
from tasks.engines.qwen.rotary import rotate
from tests.builders import examples
from tests.demo import Demo

ROWS, TOKENS, CELLS = 2, 11, 6


def same(language: Any, tolerance: float = 1e-5) -> None:
    """With features of photos added to the first layers, and positions that are not in a row."""
    generator = torch.Generator().manual_seed(0)
    width = language.config.hidden_size
    embeds = torch.randn(ROWS, TOKENS, width, generator=generator)
    deep = [torch.randn(ROWS, CELLS, width, generator=generator) for _ in range(2)]
    positions = torch.randint(0, 30, (3, ROWS, TOKENS), generator=generator)
    is_cell = torch.zeros(ROWS, TOKENS, dtype=torch.bool)
    is_cell[:, :CELLS] = True
    published = partial(
        language,
        inputs_embeds=embeds,
        position_ids=positions,
        visual_pos_masks=is_cell,
        deepstack_visual_embeds=[features.flatten(0, 1) for features in deep],
    )
    with torch.inference_mode():
        want = published().last_hidden_state[:, -1]
        found = Language(language)(embeds, positions, lambda _, *parts: attend_causally(*parts), deep)
        again = published().last_hidden_state[:, -1]
    assert float((found - want).norm() / want.norm()) < tolerance
    torch.testing.assert_close(again, want, atol=1e-5, rtol=1e-5)  # the model's own layers are what they were


def test_states_are_those_of_the_published_forward_pass(demo: Demo) -> None:
    same(load_model(demo.checkpoint, (), ModelConfig(), torch.device("cpu")).model.language_model)


@pytest.mark.parametrize("saved", [None, ["q_norm", "input_layernorm"]])
def test_an_adapter_on_queries_and_one_that_replaces_norms_are_not_forgotten(
    demo: Demo, saved: list[str] | None
) -> None:
    loaded = load_model(demo.checkpoint, (), ModelConfig(), torch.device("cpu"))
    torch.manual_seed(0)
    lora = LoraConfig(
        r=2,
        lora_alpha=4,
        target_modules=r".*language_model.*\.(q_proj|down_proj)",
        modules_to_save=saved,
        init_lora_weights=False,
    )
    language = get_peft_model(loaded, lora).eval().get_base_model().model.language_model
    if saved:
        for name, weight in language.named_parameters():
            if "modules_to_save" in name:
                weight.data += 0.5
    same(language)


@given(st.integers(1, 4), st.integers(0, 2**32 - 1))
@examples()
def test_rotation_is_transformers_own(half: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(2, 3, 5, 2 * half, generator=generator)
    angle = torch.randn(2, 5, half, generator=generator).repeat(1, 1, 2)
    want, _ = apply_rotary_pos_emb(states, states, angle.cos(), angle.sin())
    found = rotate(states.transpose(1, 2), angle.cos()[:, :, None], angle.sin()[:, :, None]).transpose(1, 2)
    torch.testing.assert_close(found, want)


def test_layers_side_by_side_share_their_memory() -> None:
    layers = [nn.Linear(4, width, bias=False) for width in (3, 5, 2)]
    states = torch.randn(2, 7, 4)
    want = torch.cat([layer(states) for layer in layers], -1)
    both = side_by_side(layers)
    torch.testing.assert_close(both(states), want)
    torch.testing.assert_close(torch.cat([layer(states) for layer in layers], -1), want)
    assert len({layer.weight.untyped_storage().data_ptr() for layer in layers}) == 1


def test_a_layer_that_is_not_plain_is_called() -> None:
    class Shifted(nn.Linear):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return super().forward(states) + 1

    layers = [nn.Linear(4, 3, bias=False), Shifted(4, 3, bias=False)]
    states = torch.randn(2, 4)
    torch.testing.assert_close(side_by_side(layers)(states), torch.cat([layer(states) for layer in layers], -1))
