"""Tests of the weights that a config asks for, against the model that transformers makes of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from tasks.engines.folders.architecture import differences, expected, sizes_of
from tasks.engines.folders.weights import Tensor
from tests.folders import CONFIG


def changed(**parts: Any) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    for name, value in parts.items():
        if isinstance(value, dict):
            config[name] |= value
        else:
            config[name] = value
    return config


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        changed(tie_word_embeddings=False),
        changed(text_config={"attention_bias": True, "num_key_value_heads": 2, "head_dim": 32}),
        changed(vision_config={"deepstack_visual_indexes": [0, 1], "spatial_merge_size": 1, "temporal_patch_size": 1}),
        changed(vision_config={"deepstack_visual_indexes": [], "patch_size": 8, "in_channels": 1}),
        changed(text_config={"num_hidden_layers": 3}),
    ],
)
def test_names_and_shapes_are_those_of_the_model(config: dict[str, Any]) -> None:
    with torch.device("meta"):
        model = Qwen3VLForConditionalGeneration(Qwen3VLConfig(**copy.deepcopy(config)))
    tied = {"lm_head.weight"} if config["tie_word_embeddings"] else set()
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items() if name not in tied}
    assert dict(expected(config)) == wanted


def test_what_a_config_is_silent_about_is_what_transformers_takes() -> None:
    text, vision = sizes_of({})
    own = Qwen3VLConfig()
    assert text == {name: getattr(own.text_config, name) for name in text}
    assert vision == {name: getattr(own.vision_config, name) for name in vision}


def tensors(config: dict[str, Any]) -> dict[str, Tensor]:
    return {name: Tensor("F32", shape) for name, shape in expected(config)}


def test_a_whole_model_has_no_differences_with_or_without_its_prefix() -> None:
    whole = tensors(CONFIG)
    assert differences(CONFIG, whole) == []
    assert differences(CONFIG, {name.removeprefix("model."): tensor for name, tensor in whole.items()}) == []
    assert differences(CONFIG, {**whole, "lm_head.weight": Tensor("F32", (1, 1)), "mtp.a": Tensor("F32", (1,))}) == []


def test_a_config_that_asks_for_more_than_there_is_costs_nothing() -> None:
    found = differences(changed(text_config={"num_hidden_layers": 10_000_000}), tensors(CONFIG))
    assert found[0].startswith("model.language_model.layers.2.self_attn.q_proj.weight is not there")
    assert (len(found), found[-1]) == (5, "and more")


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("text_config", "num_hidden_layers", "all"),
        ("text_config", "hidden_size", 0),
        ("text_config", "head_dim", 2**40),
        ("vision_config", "depth", True),
        ("vision_config", "patch_size", [16, 16]),
    ],
)
def test_a_size_that_is_none_is_named(part: str, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{part}\.{name} is .* must be a whole number"):
        sizes_of(changed(**{part: {name: value}}))
