"""The checkpoints that are measured: the demo's own, and random weights in shapes that a device has to work for.

Random weights speak nonsense, but the same nonsense in every way; their answers never end, so that all are as long as
the limit.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from infra.demo.prepare import prepare
from infra.demo.training.model import config as demo_config

_COPIED = (
    "chat_template.jinja",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "video_preprocessor_config.json",
)
_ARCHITECTURES = [Qwen3VLForConditionalGeneration.__name__]


@dataclass(frozen=True, slots=True)
class Setting:
    """A checkpoint and what it is asked: `sides` of the photos in pixels (None: as drawn), tokens of prompt and answer.

    `prompt_tokens` is the least length that the prompt is drawn out to; `answer_tokens` the limit of an answer.
    """

    name: str
    sides: tuple[int, int] | None
    prompt_tokens: int
    answer_tokens: int
    max_pixels: int
    shape: dict[str, Any] | None = None
    dtype: str = "float32"


# Source of the shape: the published config.json of Qwen3-VL-4B-Instruct.
_TEXT_4B = {
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 262_144,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 5_000_000.0,
        "mrope_section": [24, 20, 20],
        "mrope_interleaved": True,
    },
}
_VISION_4B = {
    "depth": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_heads": 16,
    "out_hidden_size": 2560,
    "num_position_embeddings": 2304,
    "deepstack_visual_indexes": [5, 11, 17],
}
_TEXT_SMALL = {
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "max_position_embeddings": 4096,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 5_000_000.0,
        "mrope_section": [12, 10, 10],
        "mrope_interleaved": True,
    },
}
_VISION_SMALL = {
    "depth": 6,
    "hidden_size": 256,
    "intermediate_size": 1024,
    "num_heads": 4,
    "out_hidden_size": 512,
    "num_position_embeddings": 2304,
    "deepstack_visual_indexes": [1, 2, 3],
}

SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("tiny", None, 0, 96, 256 * 256),
        Setting("small-random", (1024, 768), 800, 48, 1024 * 768, {"text": _TEXT_SMALL, "vision": _VISION_SMALL}),
        Setting("4b-random", (1024, 768), 800, 96, 1024 * 768, {"text": _TEXT_4B, "vision": _VISION_4B}, "bfloat16"),
        # The same code path as 4b-random where there is no GPU: its widths, and two layers.
        Setting(
            "4b-dry",
            (1024, 768),
            800,
            4,
            1024 * 768,
            {
                "text": {**_TEXT_4B, "num_hidden_layers": 2},
                "vision": {**_VISION_4B, "depth": 2, "deepstack_visual_indexes": [0, 1]},
            },
        ),
    )
}


def checkpoint_of(setting: Setting, root: Path) -> Path:
    """The setting's checkpoint under `root`, made unless it is there, whole."""
    demo = root / "demo"
    prepare(demo)
    if setting.shape is None:
        return demo / "checkpoint"
    folder = root / setting.name
    note = folder / "shape.json"
    wanted = json.loads(json.dumps({**setting.shape, "dtype": setting.dtype, "architectures": _ARCHITECTURES}))
    if not note.is_file() or json.loads(note.read_text(encoding="utf-8")) != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _make(setting, demo / "checkpoint", folder)
        note.write_text(json.dumps(wanted), encoding="utf-8")
    return folder


def _make(setting: Setting, demo: Path, folder: Path) -> None:
    assert setting.shape is not None
    shape = demo_config().to_dict()
    shape["text_config"].update(setting.shape["text"], dtype=setting.dtype)
    shape["vision_config"].update(setting.shape["vision"])
    shape["dtype"] = setting.dtype
    config = Qwen3VLConfig(**shape)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, setting.dtype))
    try:
        with torch.device(device):
            model = Qwen3VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    with torch.no_grad():
        # A row of zeros has the logit 0, which is never the highest of 150,000: no answer ends before the limit.
        for token in {config.text_config.eos_token_id, config.text_config.pad_token_id}:
            model.get_input_embeddings().weight[token] = 0
    # A model's own save_pretrained says it; a server takes a checkpoint without it for one that writes no text.
    config.architectures = _ARCHITECTURES
    config.save_pretrained(folder)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    for name in _COPIED:
        shutil.copyfile(demo / name, folder / name)
    pixels = setting.max_pixels
    for name in ("preprocessor_config.json", "video_preprocessor_config.json"):
        settings = json.loads((folder / name).read_text(encoding="utf-8"))
        settings["size"]["longest_edge"] = pixels if name.startswith("pre") else 4 * pixels
        (folder / name).write_text(json.dumps(settings), encoding="utf-8")
    generation = {
        "do_sample": False,
        "eos_token_id": config.text_config.eos_token_id,
        "pad_token_id": config.text_config.pad_token_id,
    }
    (folder / "generation_config.json").write_text(json.dumps(generation), encoding="utf-8")
