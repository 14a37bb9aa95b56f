"""Makes small folders of checkpoints and adapters that a run takes, for tests to change. Knows no test.

Weights are written as the safetensors format says, without the library: zeros in a file with a hole in it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.engines.folders.architecture import expected

WORDS = Path(__file__).parents[1] / "infra" / "demo" / "checkpoint"
"""The demo's checkpoint as it is shipped: tokenizer, template and processor of every small one."""

_TEXT = {
    "model_type": "qwen3_vl_text",
    "vocab_size": 151_936,
    "hidden_size": 16,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "eos_token_id": 151_645,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 5e6,
        "mrope_section": [4, 2, 2],
        "mrope_interleaved": True,
    },
    "tie_word_embeddings": True,
}
_VISION = {
    "model_type": "qwen3_vl_vision",
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_heads": 2,
    "out_hidden_size": 16,
    "num_position_embeddings": 64,
    "deepstack_visual_indexes": [0],
}
CONFIG: dict[str, Any] = {
    "architectures": ["Qwen3VLForConditionalGeneration"],
    "model_type": "qwen3_vl",
    "image_token_id": 151_655,
    "text_config": _TEXT,
    "vision_config": _VISION,
    "tie_word_embeddings": True,
}

Shapes = Mapping[str, tuple[int, ...]]


def make_small(folder: Path, **text: Any) -> Path:
    """A checkpoint of two layers; `text` changes its language model's config."""
    folder.mkdir(parents=True)
    for path in WORDS.iterdir():
        if path.suffix in (".json", ".jinja") and path.name not in ("config.json", "report.json"):
            shutil.copyfile(path, folder / path.name)
    config = {**CONFIG, "text_config": {**_TEXT, **text}}
    write(folder / "config.json", config)
    write_zeros(folder / "model.safetensors", dict(expected(config)))
    return folder


def write(path: Path, content: Any) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def write_zeros(path: Path, shapes: Shapes, dtype: str = "BF16", width: int = 2) -> None:
    """Write a safetensors file of zeros; nearly all of it is a hole."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        size = width
        for side in shape:
            size *= side
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 8)
    with path.open("wb") as file:
        file.write(len(told).to_bytes(8, "little") + told)
        file.truncate(8 + len(told) + end)


def link(folder: Path, target: Path) -> Path:
    """A copy of a folder, its weights by link."""

    def linked(source: str, target: str) -> None:
        if source.endswith(".safetensors"):
            os.symlink(source, target)
        else:
            shutil.copyfile(source, target)

    shutil.copytree(folder, target, copy_function=linked)
    return target
