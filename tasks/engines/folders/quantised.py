"""Whether weights are quantised already, by whichever tool. Looks at configs and headers alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.engines.folders.files import read_json
from tasks.engines.folders.weights import Tensor

_KEYS = ("quantization_config", "compression_config")
_FILES = ("quantize_config.json", "quant_config.json", "hf_quant_config.json")
"""What GPTQ's, AWQ's and ModelOpt's tools write beside config.json."""

_ENDS = (
    ".qweight",
    ".qzeros",
    ".weight_scale",
    ".weight_scale_inv",
    ".weight_packed",
    ".weight_zero_point",
    ".absmax",
    ".SCB",
)


def quantised_by(folder: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> str | None:
    """The method, as far as it is named; None for weights that are not quantised. Raises CheckpointError."""
    parts = [config, *(config.get(name) for name in ("text_config", "vision_config"))]
    for part in parts:
        given = next((part[key] for key in _KEYS if part.get(key)), None) if isinstance(part, dict) else None
        if given is not None:
            return _method(given)
    for name in _FILES:
        given = read_json(folder / name)
        if given:
            return _method(given)
    small = next((tensor.dtype for tensor in tensors.values() if tensor.dtype.startswith(("F8", "F4", "F6"))), None)
    if small is not None:
        return f"weights in {small}"
    packed = next((name for name in tensors if name.endswith(_ENDS)), None)
    return None if packed is None else f"there is {packed}"


def _method(given: Any) -> str:
    if not isinstance(given, dict):
        return "of an unknown kind"
    named = given.get("quant_method") or given.get("format") or (given.get("quantization") or {}).get("quant_algo")
    if named is None and (given.get("load_in_4bit") or given.get("load_in_8bit")):
        named = "bitsandbytes"
    bits = given.get("bits")
    told = str(named) if named else "of an unknown kind"
    return f"{told}, {bits} bits" if isinstance(bits, int) else told
