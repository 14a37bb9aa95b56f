"""Whether architectures fit each other, from `config.json`, `adapter_config.json` and the headers of weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.checkpoints.folder import ADAPTER_CONFIG, read_json
from tasks.checkpoints.weights import read_weights

WEIGHTS = "adapter_model.safetensors"

_FREE = ("_name_or_path", "dtype", "torch_dtype", "transformers_version", "use_cache", "eos_token_id", "pad_token_id")
"""Keys that say how a checkpoint was saved, or that are compared elsewhere."""

_ROPE = ("rope_parameters", "rope_scaling", "rope_theta")
_PREFIX = "base_model.model."
_MOST_TOLD = 3


def config_differences(base: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Keys of two `config.json` that both give and that differ: writers leave out what is a default."""
    ours, theirs = _flat(base), _flat(other)
    needed = [name for name in ("model_type", "architectures") if name in ours and name not in theirs]
    both = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    return [
        *(f"{name} is missing, base {ours[name]!r}" for name in needed),
        *(f"{name} {theirs[name]!r}, base {ours[name]!r}" for name in both),
    ]


def lora_differences(base: Path, adapter: Path) -> Iterator[tuple[str, str]]:
    """File and difference for each way in which an adapter is no LoRA for the base. Raises CheckpointError."""
    config = read_json(adapter / ADAPTER_CONFIG) or {}
    if config.get("peft_type") != "LORA":
        yield ADAPTER_CONFIG, f"peft_type is {config.get('peft_type')!r}, and only 'LORA' is known"
        return
    rank = config.get("r")
    if not isinstance(rank, int) or rank < 1:
        yield ADAPTER_CONFIG, f"r is {rank!r}, and must be a rank"
    ours, theirs = read_weights(base).tensors, read_weights(adapter).tensors
    wrong: list[str] = []
    for name, tensor in theirs.items():
        for end, side in ((".lora_A.weight", 1), (".lora_B.weight", 0)):
            # A checkpoint may call its weights otherwise than the model does; then PEFT is the one to judge.
            target = ours.get(name.removeprefix(_PREFIX).removesuffix(end) + ".weight")
            if not name.endswith(end) or target is None or len(target.shape) != 2 or len(tensor.shape) != 2:
                continue
            if tensor.shape[side] != target.shape[side]:
                wrong.append(f"{name} is made for {tensor.shape[side]} features, base {target.shape[side]}")
    more = [f"{len(wrong) - _MOST_TOLD} more"] if len(wrong) > _MOST_TOLD else []
    if wrong:
        yield WEIGHTS, ", ".join([*wrong[:_MOST_TOLD], *more])


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, value in config.items():
        if name in _FREE or name in _ROPE:
            continue
        facts |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    if any(name in config for name in _ROPE):
        facts |= {f"{prefix}rope.{name}": value for name, value in _rope(config).items()}
    return facts


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    """Rotary positions as transformers 5 writes them; 4 had `rope_scaling` beside `rope_theta`."""
    given = config.get("rope_parameters") or config.get("rope_scaling") or {}
    rope = dict(given) if isinstance(given, dict) else {}
    if config.get("rope_theta") is not None:
        rope.setdefault("rope_theta", config["rope_theta"])
    if "type" in rope:
        rope.setdefault("rope_type", rope.pop("type"))
    return rope
