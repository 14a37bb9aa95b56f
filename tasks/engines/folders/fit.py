"""Whether an adapter's weights are those that PEFT makes places for in a base. Loads no weights: the model is a shell.

PEFT itself says which weights an adapter of this config has in this model (patterns, ranks, layers, DoRA, modules that
are saved whole); the adapter's header says which there are. What has no place is dropped by PEFT without a word, and
what is missing is left as it was made: a run would go on as the base, or as half of the adapter.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from tasks.engines.folders.files import ADAPTER_CONFIG, read_json
from tasks.engines.folders.trial import check_patterns
from tasks.engines.folders.weights import ADAPTER, read_weights
from tasks.records.errors import CheckpointError

_NAME = "fieldcheck"
_MOST_TOLD = 3
_PATTERNS = ("target_modules", "exclude_modules", "layers_pattern", "rank_pattern", "alpha_pattern")

_LAYOUTS = (
    (".default.", "; the adapter's own name is in its keys: save it with save_pretrained"),
    ("base_model.model.model.layers.", "; these are the keys of a text-only model: train on the base that is given"),
    ("base_model.model.language_model.", "; these are the keys of an older layout: save it with this transformers"),
)
"""What keys look like that come from elsewhere, and what to do about it."""


def misfits(base: Path, adapter: Path) -> list[tuple[str, str]]:
    """File and difference for each way in which an adapter does not fit a base that can be loaded; none if it fits.

    Raises CheckpointError if it cannot be told.
    """
    config = read_json(adapter / ADAPTER_CONFIG) or {}
    try:
        with warnings.catch_warnings(action="ignore"), torch.device("meta"):
            shell: Any = Qwen3VLForConditionalGeneration(_config(base))
            _check_patterns(config, [name for name, _ in shell.named_modules()])
            lora = LoraConfig.from_pretrained(str(adapter))
            lora.inference_mode, lora.init_lora_weights = True, True  # how they begin is nothing to a shell
            model = PeftModel(shell, lora, adapter_name=_NAME)
            return [(ADAPTER, line) for line in differences(model, _NAME, adapter)]
    except CheckpointError as error:
        return [(ADAPTER_CONFIG, str(error))]
    except Exception as error:  # whatever PEFT and transformers raise for a config that does not fit
        return [(ADAPTER_CONFIG, f"no adapter for this base can be made of it: {_short(error)}")]


def unknown_keys(adapter: Path) -> list[str]:
    """Keys of an adapter's config that this PEFT does not know and that are set: PEFT ignores them."""
    known = {field.name for field in dataclasses.fields(LoraConfig)}
    return sorted(
        name for name, value in (read_json(adapter / ADAPTER_CONFIG) or {}).items() if value and name not in known
    )


def differences(model: Any, name: str, adapter: Path) -> Iterator[str]:
    """A line for each way in which a folder's weights are not those of the adapter `name` of a PEFT model."""
    wanted = {
        key: tuple(value.shape)
        for key, value in get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False).items()
    }
    weights = read_weights(adapter)
    if weights.faults:
        raise CheckpointError("; ".join(weights.faults))
    there = {key: tensor.shape for key, tensor in weights.tensors.items()}
    # An embedding that is trained with LoRA may be saved beside it, under the name that it has in the model.
    own = {key for key, _ in model.named_parameters()} if there.keys() - wanted.keys() else set()
    yield from _compared(wanted, there, own)


def _compared(
    wanted: Mapping[str, tuple[int, ...]], there: Mapping[str, tuple[int, ...]], own: set[str]
) -> Iterator[str]:
    spare = sorted(key for key in there if key not in wanted and key not in own)
    if spare:
        hint = next((what for part, what in _LAYOUTS if part in spare[0]), "")
        yield f"{len(spare)} of {len(there)} weights have no place in the base, such as {spare[0]}{hint}"
    lost = sorted(key for key in wanted if key not in there)
    if lost:
        yield f"{len(lost)} of {len(wanted)} weights that {ADAPTER_CONFIG} asks for are missing, such as {lost[0]}"
    other = sorted(key for key in wanted if key in there and there[key] != wanted[key])
    told = [f"{key} is {list(there[key])}, and the base wants {list(wanted[key])}" for key in other[:_MOST_TOLD]]
    if told:
        yield ", ".join([*told, *([f"{len(other) - _MOST_TOLD} more"] if len(other) > _MOST_TOLD else [])])


def _config(base: Path) -> Any:
    return Qwen3VLConfig.from_pretrained(str(base), local_files_only=True, trust_remote_code=False)


def _check_patterns(config: dict[str, Any], names: list[str]) -> None:
    """A pattern that backtracks for ever would stop PEFT, and us with it."""
    for key in _PATTERNS:
        given = config.get(key)
        patterns = [given] if isinstance(given, str) else list(given) if isinstance(given, dict) else []
        try:
            check_patterns(patterns, names)
        except CheckpointError as error:
            raise CheckpointError(f"{key} {error}") from error


def _short(error: Exception) -> str:
    told = " ".join(f"{type(error).__name__}: {error}".split())
    return told if len(told) <= 300 else f"{told[:299]}…"
