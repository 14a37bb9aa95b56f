"""Whether two checkpoints are of one architecture, from `config.json`."""

from __future__ import annotations

from typing import Any

_FREE = ("_name_or_path", "dtype", "torch_dtype", "transformers_version", "use_cache", "eos_token_id", "pad_token_id")
"""Keys that say how a checkpoint was saved, or that are compared elsewhere."""

_ROPE = ("rope_parameters", "rope_scaling", "rope_theta")


def config_differences(base: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Keys of two `config.json` that both give and that differ: writers leave out what is a default."""
    ours, theirs = _flat(base), _flat(other)
    needed = [name for name in ("model_type", "architectures") if name in ours and name not in theirs]
    both = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    return [
        *(f"{name} is missing, base {ours[name]!r}" for name in needed),
        *(f"{name} {theirs[name]!r}, base {ours[name]!r}" for name in both),
    ]


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
