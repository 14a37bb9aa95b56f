"""Finds and reads the small files of a checkpoint's folder. Knows their names, not what they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from tasks.records.errors import CheckpointError

ADAPTER_CONFIG = "adapter_config.json"
CONFIG = "config.json"
GENERATION = "generation_config.json"
PREPROCESSOR = "preprocessor_config.json"
PROCESSOR = "processor_config.json"
VIDEO_PREPROCESSOR = "video_preprocessor_config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
TEMPLATE = "chat_template.jinja"
LEGACY_TEMPLATE = "chat_template.json"
TEMPLATE_FOLDER = "chat_templates"

SPOKEN = (
    PREPROCESSOR,
    PROCESSOR,
    VIDEO_PREPROCESSOR,
    TOKENIZER,
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS,
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    TEMPLATE,
    LEGACY_TEMPLATE,
    GENERATION,
)
"""Files beside weights and config.json that decide what a checkpoint reads and writes."""

Kind = Literal["adapter", "checkpoint"]


def as_folder(path: str | Path, what: str) -> Path:
    """The folder's absolute path. Raises CheckpointError if there is none: a path is never a hub's name."""
    folder = Path(path).expanduser().resolve()
    if not folder.is_dir():
        raise CheckpointError(f"{what} {folder} is no folder; give a local directory, hubs are never asked")
    return folder


def kind_of(folder: Path) -> Kind:
    """What a folder is. Raises CheckpointError if it is neither."""
    if (folder / ADAPTER_CONFIG).is_file():
        return "adapter"
    if (folder / CONFIG).is_file():
        return "checkpoint"
    raise CheckpointError(
        f"{folder} holds neither {CONFIG} nor {ADAPTER_CONFIG}; give the folder of a checkpoint or an adapter"
    )


def read_text(path: Path) -> str | None:
    """The text of a file, any line ending as `\\n`; None if there is no such file. Raises CheckpointError."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} is not UTF-8: {error.reason} at byte {error.start}; copy it again") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; copy it again") from error


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None if there is no such file. Raises CheckpointError."""
    text = read_text(path)
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON: {error}; copy it again") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no JSON object; copy it again")
    return value


def brings_code(folder: Path) -> str | None:
    """The file that asks for code of the folder's own to be run, if one does."""
    for name in (CONFIG, TOKENIZER_CONFIG, PREPROCESSOR, PROCESSOR, VIDEO_PREPROCESSOR, GENERATION):
        if "auto_map" in (read_json(folder / name) or {}):
            return name
    return None
