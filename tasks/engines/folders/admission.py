"""What a checkpoint's folder is refused for, before any library loads it: one answer for `inspect`, runs and engines.

code       asks for code of its own, or for what lies elsewhere
kind       another family of models, or quantised weights, which transformers' own kernels here cannot run
weights    none, not whole, not those of the config
words      tokenizer, chat template, image processor, end of an answer
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tasks.engines.folders.architecture import MODEL_TYPE, differences
from tasks.engines.folders.code import foreign
from tasks.engines.folders.files import CONFIG, read_json
from tasks.engines.folders.quantised import quantised_by
from tasks.engines.folders.weights import read_weights
from tasks.engines.folders.words import word_faults
from tasks.records.errors import CheckpointError

_MOST_TOLD = 4

_FAMILIES = {
    "qwen2_vl": "Qwen2-VL",
    "qwen2_5_vl": "Qwen2.5-VL",
    "qwen2_5_omni": "Qwen2.5-Omni",
    "qwen3_vl_moe": "Qwen3-VL MoE",
    "qwen3_omni_moe": "Qwen3-Omni",
    "qwen3_5": "Qwen3.5",
    "qwen3_5_moe": "Qwen3.5 MoE",
    "qwen2": "Qwen2, which sees no photos",
    "qwen3": "Qwen3, which sees no photos",
    "llava": "LLaVA",
    "llava_next": "LLaVA-NeXT",
    "llava_onevision": "LLaVA-OneVision",
    "internvl_chat": "InternVL",
    "internvl": "InternVL",
    "minicpmv": "MiniCPM-V",
    "gemma3": "Gemma 3",
    "mllama": "Llama 3.2 Vision",
    "glm4v": "GLM-4V",
}


def refusals(folder: Path, *, served: bool = False) -> list[str]:
    """Every reason why a checkpoint cannot be loaded, in words; none for a good one.

    `served` is for a checkpoint that a server runs: then quantised weights are the server's affair.
    """
    return list(dict.fromkeys(line for part in (_code, _weights, _words) for line in _told(part, folder, served)))


def check_loadable(folder: Path, *, served: bool = False) -> None:
    """Raises CheckpointError with the first of the `refusals`."""
    _raise(folder, refusals(folder, served=served))


def check_weights(folder: Path) -> None:
    """`check_loadable` of weights and config alone, for who loads no words. Raises CheckpointError."""
    _raise(folder, [line for part in (_code, _weights) for line in _told(part, folder, False)])


def check_words(folder: Path) -> None:
    """`check_loadable` of what is read and written alone, for who loads no weights. Raises CheckpointError."""
    _raise(folder, [line for part in (_code, _words) for line in _told(part, folder, False)])


def _raise(folder: Path, lines: list[str]) -> None:
    if lines:
        more = [f"{len(lines) - _MOST_TOLD} more"] if len(lines) > _MOST_TOLD else []
        raise CheckpointError(f"{folder} cannot be loaded: {'; '.join([*lines[:_MOST_TOLD], *more])}")


def _told(part: Callable[[Path, bool], Iterator[str]], folder: Path, served: bool) -> Iterator[str]:
    try:
        yield from part(folder, served)
    except CheckpointError as error:
        yield str(error)
    except (ValueError, TypeError, AttributeError) as error:
        yield f"{CONFIG}: {error}; copy it again"


def _code(folder: Path, served: bool) -> Iterator[str]:
    yield from foreign(folder)


def _weights(folder: Path, served: bool) -> Iterator[str]:
    config = read_json(folder / CONFIG)
    if config is None:
        yield f"{CONFIG} is missing; copy it from the base"
        return
    family = _another_family(config)
    if family is not None:
        yield family
        return
    weights = read_weights(folder)
    method = quantised_by(folder, config, weights.tensors)
    if method is not None and not served:
        yield (
            f"the weights are quantised ({method}), which is not run here; give the full checkpoint and "
            "model.quantisation int8 or int4, or serve this one with vLLM and use engine kind endpoint"
        )
    yield from weights.faults
    if method is None and not weights.faults:
        yield from differences(config, weights.tensors)


def _words(folder: Path, served: bool) -> Iterator[str]:
    config = read_json(folder / CONFIG)
    if config is not None and _another_family(config) is None:
        yield from word_faults(folder, config)


def _another_family(config: dict[str, Any]) -> str | None:
    kind = config.get("model_type")
    if kind == MODEL_TYPE:
        return None
    called = f" ({_FAMILIES[kind]})" if isinstance(kind, str) and kind in _FAMILIES else ""
    return (
        f"{CONFIG}: model_type is {kind!r}{called}, and only {MODEL_TYPE!r} (Qwen3-VL, dense) is run here; "
        "serve another one with vLLM and use engine kind endpoint without model.base"
    )
