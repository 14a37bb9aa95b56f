"""The weights that a Qwen3-VL of a given `config.json` has, by name and shape, compared with those that are there.

The names are those of transformers' `Qwen3VLForConditionalGeneration` (compared with it in the tests). Builds no model:
a config that asks for more than the files hold costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from tasks.engines.folders.weights import Tensor

Shape = tuple[int, ...]

MODEL_TYPE = "qwen3_vl"

_TEXT = {
    "vocab_size": 151_936,
    "hidden_size": 4096,
    "intermediate_size": 22_016,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "head_dim": 128,
}
_VISION = {
    "depth": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_heads": 16,
    "in_channels": 3,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "out_hidden_size": 3584,
    "num_position_embeddings": 2304,
}
"""What transformers takes where a config is silent."""

_DEEPSTACK = [8, 16, 24]
_MOST = 2**24
_MOST_TOLD = 4
_LAYERS = ("model.language_model.layers.", "model.visual.blocks.", "model.visual.deepstack_merger_list.")


def sizes_of(config: dict[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    """The language model's and the vision tower's sizes. Raises ValueError for what is no whole number in bounds."""
    found: list[dict[str, int]] = []
    for part, defaults in (("text_config", _TEXT), ("vision_config", _VISION)):
        given = config.get(part)
        if given is not None and not isinstance(given, dict):
            raise ValueError(f"{part} is no object")
        values = {name: (given or {}).get(name, default) for name, default in defaults.items()}
        if part == "text_config" and values["num_key_value_heads"] is None:
            values["num_key_value_heads"] = values["num_attention_heads"]
        for name, value in values.items():
            if type(value) is not int or not 1 <= value <= _MOST:
                raise ValueError(f"{part}.{name} is {value!r}, and must be a whole number from 1 on")
        found.append(values)
    return found[0], found[1]


def expected(config: dict[str, Any]) -> Iterator[tuple[str, Shape]]:
    """Name and shape of every weight, one by one. Raises ValueError like `sizes_of`."""
    text, vision = sizes_of(config)
    yield from _language("model.language_model.", text, bool((config.get("text_config") or {}).get("attention_bias")))
    yield from _tower("model.visual.", vision, (config.get("vision_config") or {}).get("deepstack_visual_indexes"))
    if not config.get("tie_word_embeddings", False):
        yield "lm_head.weight", (text["vocab_size"], text["hidden_size"])


def differences(config: dict[str, Any], tensors: dict[str, Tensor]) -> list[str]:
    """What of the weights is missing, of another shape, or of a layer that the config does not know; a few of them."""
    there = {name if name.startswith(("model.", "lm_head.")) else f"model.{name}": tensors[name] for name in tensors}
    wrong = (line for name, shape in expected(config) for line in _wrong(name, shape, there.get(name), config))
    found = list(islice(wrong, _MOST_TOLD + 1))
    if found:
        return [*found[:_MOST_TOLD], *(["and more"] if len(found) > _MOST_TOLD else [])]
    known = {name for name, _ in expected(config)}
    beyond = sorted(name for name in there if name not in known and name.startswith(_LAYERS))
    if beyond:
        return [f"config.json has no place for {len(beyond)} weights, such as {beyond[0]}; copy the folder again"]
    return []


def _wrong(name: str, shape: Shape, there: Tensor | None, config: dict[str, Any]) -> Iterator[str]:
    if there is not None:
        if there.shape != shape:
            yield f"{name} is {list(there.shape)}, and config.json wants {list(shape)}; copy the folder again"
    elif name == "lm_head.weight":
        yield (
            f"{name} is not there, and config.json's own tie_word_embeddings is not true; copy the folder again, "
            "or set it to true if the output layer shares its weights with the embeddings"
        )
    else:
        yield f"{name} is not there; copy the folder again"


def _language(at: str, size: dict[str, int], bias: bool) -> Iterator[tuple[str, Shape]]:
    width, inner, head = size["hidden_size"], size["intermediate_size"], size["head_dim"]
    queries, keys = size["num_attention_heads"] * head, size["num_key_value_heads"] * head
    yield f"{at}embed_tokens.weight", (size["vocab_size"], width)
    for layer in range(size["num_hidden_layers"]):
        in_layer = f"{at}layers.{layer}."
        for name, rows, columns in (
            ("q", queries, width),
            ("k", keys, width),
            ("v", keys, width),
            ("o", width, queries),
        ):
            yield f"{in_layer}self_attn.{name}_proj.weight", (rows, columns)
            if bias:
                yield f"{in_layer}self_attn.{name}_proj.bias", (rows,)
        yield f"{in_layer}self_attn.q_norm.weight", (head,)
        yield f"{in_layer}self_attn.k_norm.weight", (head,)
        yield f"{in_layer}mlp.gate_proj.weight", (inner, width)
        yield f"{in_layer}mlp.up_proj.weight", (inner, width)
        yield f"{in_layer}mlp.down_proj.weight", (width, inner)
        yield f"{in_layer}input_layernorm.weight", (width,)
        yield f"{in_layer}post_attention_layernorm.weight", (width,)
    yield f"{at}norm.weight", (width,)


def _tower(at: str, size: dict[str, int], deepstack: Any) -> Iterator[tuple[str, Shape]]:
    width, inner = size["hidden_size"], size["intermediate_size"]
    patch = (size["temporal_patch_size"], size["patch_size"], size["patch_size"])
    merged = width * size["spatial_merge_size"] ** 2
    indexes = _DEEPSTACK if deepstack is None else deepstack
    if not isinstance(indexes, list):
        raise ValueError(f"vision_config.deepstack_visual_indexes is {indexes!r}, and must be a list")
    yield f"{at}patch_embed.proj.weight", (width, size["in_channels"], *patch)
    yield f"{at}patch_embed.proj.bias", (width,)
    yield f"{at}pos_embed.weight", (size["num_position_embeddings"], width)
    for block in range(size["depth"]):
        in_block = f"{at}blocks.{block}."
        yield from _biased(f"{in_block}norm1", width)
        yield from _biased(f"{in_block}norm2", width)
        yield from _biased(f"{in_block}attn.qkv", 3 * width, width)
        yield from _biased(f"{in_block}attn.proj", width, width)
        yield from _biased(f"{in_block}mlp.linear_fc1", inner, width)
        yield from _biased(f"{in_block}mlp.linear_fc2", width, inner)
    mergers = [("merger", width), *((f"deepstack_merger_list.{number}", merged) for number in range(len(indexes)))]
    for name, normed in mergers:
        yield from _biased(f"{at}{name}.norm", normed)
        yield from _biased(f"{at}{name}.linear_fc1", merged, merged)
        yield from _biased(f"{at}{name}.linear_fc2", size["out_hidden_size"], merged)


def _biased(name: str, rows: int, *columns: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (rows, *columns)
    yield f"{name}.bias", (rows,)
