"""Adapters as people really have them: what is done to a good one, and what `inspect --base` and a run say of it.

Outcomes are told as in `checkpoint_zoo`. The adapter is a LoRA of rank 4 on every projection of the language model of
`tests.folders.make_small`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.folders import write
from tests.tasks.checkpoints.checkpoint_zoo import edit

Change = Callable[[Path], None]
Weights = dict[str, torch.Tensor]

_WEIGHTS = "adapter_model.safetensors"
_MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
_REGEX = r"^(model\.language_model(?=\.).*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj))$"
_INNER = "base_model.model.model.language_model."


def make_lora(folder: Path, base: Path, **config: Any) -> Path:
    """An adapter for a base as PEFT itself saves it, with weights as after training; `config` is LoraConfig's."""
    from peft import LoraConfig, get_peft_model
    from transformers import Qwen3VLForConditionalGeneration

    model = Qwen3VLForConditionalGeneration.from_pretrained(base, local_files_only=True)
    made = get_peft_model(model, LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": _REGEX, **config}))
    torch.manual_seed(7)
    with torch.no_grad():
        for name, value in made.named_parameters():
            if value.requires_grad:
                value.copy_(torch.randn_like(value) * 0.1 if "magnitude" not in name else value)
    made.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    return folder


def _weights(changed: Callable[[Weights], Weights]) -> Change:
    def change(folder: Path) -> None:
        path = folder / _WEIGHTS
        weights = changed(load_file(path))
        path.unlink()
        save_file({name: value.contiguous() for name, value in weights.items()}, path, {"format": "pt"})

    return change


def _renamed(old: str, new: str) -> Change:
    return _weights(lambda weights: {name.replace(old, new): value for name, value in weights.items()})


def _set(name: str, value: float) -> Callable[[Weights], Weights]:
    def changed(weights: Weights) -> Weights:
        return {key: torch.full_like(part, value) if name in key else part for key, part in weights.items()}

    return changed


def _config(**changed: Any) -> Change:
    return lambda folder: edit(folder / "adapter_config.json", **changed)


def _both(*changes: Change) -> Change:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / _WEIGHTS), folder / "adapter_model.bin")
    (folder / _WEIGHTS).unlink()


def _dtype(dtype: torch.dtype) -> Change:
    return _weights(lambda weights: {name: value.to(dtype) for name, value in weights.items()})


def _nested(folder: Path) -> None:
    content = json.loads((folder / "adapter_config.json").read_text())
    write(folder / "adapter_config.json", {**content, "target_modules": "(.*a)*(.*b)*(.*c)*(.*d)*(.*e)*(.*f)*z"})


MADE: dict[str, dict[str, Any]] = {
    "as PEFT saves it": {},
    "list of modules": {"target_modules": _MODULES},
    "all linear layers": {"target_modules": "all-linear"},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "one layer": {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": "layers"},
    "ranks by pattern": {"rank_pattern": {"q_proj": 8}, "alpha_pattern": {"q_proj": 16}},
    "a module saved whole": {"target_modules": ["q_proj"], "modules_to_save": ["merger"]},
    "embedding and head": {"target_modules": ["embed_tokens", "q_proj"]},
    "biases": {"target_modules": ["qkv"], "bias": "lora_only"},
    "vision tower": {"target_modules": r".*visual.*\.(qkv|linear_fc1)"},
    "excluded modules": {"target_modules": _MODULES, "exclude_modules": r".*layers\.0\..*"},
}
"""Of PEFT's own making, each another layout: all of them run."""

ZOO: dict[str, tuple[Change, str]] = {
    "in bfloat16": (_dtype(torch.bfloat16), "runs"),
    "in half precision": (_dtype(torch.float16), "runs"),
    "base is a hub's name": (_config(base_model_name_or_path="Qwen/Qwen3-VL-4B-Instruct", revision="main"), "runs"),
    "of a newer PEFT": (_config(peft_version="0.99.0", quantum_loft={"a": 1}), "warned: quantum_loft: not known"),
    "keys of a text-only model": (
        _both(_renamed("model.language_model.layers", "model.layers"), _config(target_modules=_MODULES)),
        "refused: 28 of 28 weights have no place in the base, such as base_model.model.model.layers.0.mlp.down_proj",
    ),
    "keys of an older layout": (
        _renamed(_INNER, "base_model.model.language_model.model."),
        "refused: 28 of 28 weights have no place in the base, such as base_model.model.language_model.model.layers.0",
    ),
    "the adapter's name in its keys": (
        _renamed(".weight", ".default.weight"),
        "refused: lora_A.default.weight; the adapter's own name is in its keys",
    ),
    "no prefix": (
        _renamed("base_model.model.", ""),
        "refused: have no place in the base, such as model.language_model",
    ),
    "no weights at all": (_weights(lambda weights: {}), "refused: holds no weights at all"),
    "a layer missing": (
        _weights(lambda weights: {name: value for name, value in weights.items() if ".layers.0." not in name}),
        "refused: 14 of 28 weights that adapter_config.json asks for are missing, such as base_model.model",
    ),
    "half of each pair": (
        _weights(lambda weights: {name: value for name, value in weights.items() if "lora_A" in name}),
        "refused: 14 of 28 weights that adapter_config.json asks for are missing",
    ),
    "weights that nobody asked for": (
        _weights(lambda weights: {**weights, "base_model.model.model.visual.x.lora_A.weight": torch.ones(4, 4)}),
        "refused: 1 of 29 weights have no place in the base, such as base_model.model.model.visual.x.lora_A.weight",
    ),
    "another rank than its config says": (
        _config(r=8),
        "refused: .lora_A.weight is [4, 64], and the base wants [8, 64]",
    ),
    "made for another width": (
        _weights(lambda weights: {n: torch.ones(4, 96) if "q_proj.lora_A" in n else v for n, v in weights.items()}),
        "refused: q_proj.lora_A.weight is [4, 96], and the base wants [4, 16]",
    ),
    "modules that the base lacks": (_config(target_modules=["c_attn"]), "refused: c_attn"),
    "NaN": (_weights(_set("layers.1.mlp.up_proj.lora_B", float("nan"))), "refused: NaN or infinity in base_model"),
    "infinity": (_weights(_set("layers.1.mlp.up_proj.lora_A", float("inf"))), "refused: NaN or infinity in base_model"),
    "zeros": (_weights(_set("lora_B", 0.0)), "warned: adds nothing: all of its 14 lora_B are zero"),
    "some zeros": (_weights(_set("layers.1.mlp.up_proj.lora_B", 0.0)), "warned: 1 of its 14 lora_B are zero"),
    "a pickle": (_pickled, "refused: there is no adapter_model.safetensors, only adapter_model.bin"),
    "half of a file": (
        lambda folder: (folder / _WEIGHTS).write_bytes((folder / _WEIGHTS).read_bytes()[:3000]) and None,
        "refused: copy it again",
    ),
    "another method": (_config(peft_type="IA3"), "refused: peft_type is 'IA3'"),
    "no rank": (_config(r=0), "refused: r is 0"),
    "a rank of billions": (_config(r=2**40), "refused: r is 1099511627776"),
    "code of its own": (_config(auto_map={"AutoModel": "evil.M"}), "refused: names code of its own (auto_map)"),
    "a module to import": (
        _config(megatron_config={"a": 1}, megatron_core="evil"),
        "refused: names code of its own (megatron_config)",
    ),
    "a pattern that never ends": (_config(target_modules=r"(\w+\.?)+!"), "refused: target_modules does not end within"),
    "a pattern that is none": (_config(target_modules="(q_proj"), "refused: target_modules is no pattern"),
}
