"""Whether a folder asks its loaders to run code of its own, or to load what lies elsewhere. Runs and loads nothing.

transformers asks on the terminal before it runs such code, PEFT imports what a config names, and ms-swift trusts every
folder: so a folder that asks is refused before any of them sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.engines.folders.files import (
    ADAPTER_CONFIG,
    CONFIG,
    GENERATION,
    LEGACY_TEMPLATE,
    PREPROCESSOR,
    PROCESSOR,
    SPECIAL_TOKENS,
    TOKENIZER_CONFIG,
    VIDEO_PREPROCESSOR,
    read_json,
)
from tasks.records.errors import CheckpointError

_CODE = ("auto_map", "custom_pipelines", "custom_generate", "megatron_config")
"""Keys, at any depth, that name code to run or a module to import."""

_ELSEWHERE = ("audio_tokenizer", "transformers_weights", "fast_tokenizer_files")
"""Keys that name other files than those that a checkpoint of this kind has, or another folder."""

_CONFIGS = (
    CONFIG,
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS,
    PREPROCESSOR,
    PROCESSOR,
    VIDEO_PREPROCESSOR,
    GENERATION,
    LEGACY_TEMPLATE,
    ADAPTER_CONFIG,
)
_FILES = (("custom_generate", "holds code of its own"), ("audio_tokenizer_config.json", "names a model elsewhere"))
_LIBRARY = "transformers"


def check_code(folder: Path) -> None:
    """Raises CheckpointError for the first thing that `foreign` finds in a checkpoint's or an adapter's folder."""
    for line in foreign(folder):
        raise CheckpointError(f"{folder / line}")


def foreign(folder: Path) -> Iterator[str]:
    """A line for each file that asks for code, or for what lies elsewhere. Raises CheckpointError if one that may ask
    cannot be read."""
    named = {path.name for path in folder.glob("*config.json") if not path.name.startswith(".")}
    for name in dict.fromkeys((*_CONFIGS, *sorted(named))):
        content = read_json(folder / name)
        if content is None:
            continue
        for key in sorted(_asked(content)):
            if key in _CODE:
                yield f"{name} names code of its own ({key}), which is never run; use a plain checkpoint"
            else:
                yield f"{name} names what lies elsewhere ({key}), which is never loaded; remove {key}"
    for name, what in _FILES:
        if (folder / name).exists():
            yield f"{name} {what}, which is never run or loaded; remove it"


def _asked(content: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    level: list[Any] = [content]
    while level:
        for part in level:
            if isinstance(part, dict):
                found |= {key for key in (*_CODE, *_ELSEWHERE) if part.get(key) is not None}
                if _imports(part.get("auto_mapping")):
                    found.add("auto_map")
        inner = (part.values() if isinstance(part, dict) else part for part in level)
        level = [part for parts in inner for part in parts if isinstance(part, dict | list)]
    return found


def _imports(mapping: Any) -> bool:
    """PEFT notes which class of which library it was used with, and can import that library again."""
    library = mapping.get("parent_library") if isinstance(mapping, dict) else None
    return library is not None and str(library).split(".")[0] != _LIBRARY
