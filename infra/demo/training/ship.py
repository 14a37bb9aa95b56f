"""Writes the shipped form of a trained model: bf16 weights, configuration, tokenizer, adapter. Knows no training."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import Qwen3VLForConditionalGeneration

from infra.demo import tokenizer as words
from infra.demo.pack import DEMO, WEIGHTS, read_bf16, replace_folder
from infra.demo.training.model import config, generation_config, processor_configs

ADAPTER_BASE = "fieldcheck-demo"  # a name, not a path: whoever loads the adapter says where the checkpoint is


def round_to_bf16(model: torch.nn.Module) -> None:
    """Round every weight to what will be shipped; the model goes on computing in float32."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())


def load_shipped(model: torch.nn.Module, source: Path, over: Path | None = None) -> None:
    """Give a trimmed model the weights of a shipped checkpoint of the same vocabulary, and those of a judge over it."""
    weights = {
        name: torch.from_numpy(value)
        for folder in (source, over)
        if folder
        for name, value in read_bf16(folder / WEIGHTS).items()
    }
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"{source} is of another model: missing {missing}, unexpected {unexpected}; train it anew")


def ship_checkpoint(model: Qwen3VLForConditionalGeneration, tokenizer: Tokenizer, target: Path) -> None:
    """Write `target`: trimmed bf16 weights, and every other file as the expanded checkpoint has it."""
    building = _beside(target)
    weights = {
        name: value.bfloat16().cpu().contiguous()
        for name, value in model.state_dict().items()
        if name != "lm_head.weight"
    }
    save_file(weights, building / WEIGHTS, metadata={"format": "pt"})
    words.save(tokenizer, building)
    shutil.copyfile(DEMO / "chat_template.jinja", building / "chat_template.jinja")
    full = config()
    full.architectures = ["Qwen3VLForConditionalGeneration"]
    (building / WEIGHTS).chmod(0o644)
    _write(building / "config.json", json.loads(full.to_json_string()))
    _write(building / "generation_config.json", generation_config())
    for name, content in processor_configs().items():
        _write(building / name, content)
    replace_folder(building, target)


def ship_judge(model: Qwen3VLForConditionalGeneration, target: Path) -> None:
    """Write `target`: the trimmed bf16 weights in which a model differs from the shipped checkpoint."""
    building, base = _beside(target), read_bf16(DEMO / "checkpoint" / WEIGHTS)
    weights = {
        name: value.bfloat16().cpu().contiguous()
        for name, value in model.state_dict().items()
        if name != "lm_head.weight" and not torch.equal(value.bfloat16().float().cpu(), torch.from_numpy(base[name]))
    }
    save_file(weights, building / WEIGHTS, metadata={"format": "pt"})
    (building / WEIGHTS).chmod(0o644)
    replace_folder(building, target)


def ship_adapter(adapted: PeftModel, target: Path) -> None:
    """Write `target`: PEFT's two files, the weights in bf16, and no path of this machine."""
    building = _beside(target)
    adapted.peft_config["default"].base_model_name_or_path = ADAPTER_BASE
    adapted.save_pretrained(building, save_embedding_layers=False)
    weights = building / "adapter_model.safetensors"
    save_file({k: v.bfloat16() for k, v in load_file(weights).items()}, weights, metadata={"format": "pt"})
    weights.chmod(0o644)
    (building / "README.md").unlink(missing_ok=True)
    content = json.loads((building / "adapter_config.json").read_text(encoding="utf-8"))
    _write(building / "adapter_config.json", content)
    replace_folder(building, target)


def _beside(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    building.chmod(0o755)
    return building


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
