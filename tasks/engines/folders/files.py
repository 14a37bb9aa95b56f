"""Finds and reads the small files of a checkpoint's folder. Knows their names, not what they mean."""

from __future__ import annotations

import json
from pathlib import Path
from stat import S_ISDIR, S_ISREG
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

INDEX = "model.safetensors.index.json"
LFS_POINTER = "version https://git-lfs.github.com/spec/"

_MOST_SMALL = 4 * 2**20
_MOST_BYTES = {TOKENIZER: 64 * 2**20, "vocab.json": 64 * 2**20, "merges.txt": 64 * 2**20, INDEX: 64 * 2**20}
_DEEPEST = 64

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
    """The text of a file, any line ending as `\\n`; None if there is no such file. Raises CheckpointError.

    A file that is larger than such files are, that is no plain file, that begins with a byte order mark, or that is Git
    LFS's pointer to a file is an error: what would be loaded is something else.
    """
    most = _MOST_BYTES.get(path.name, _MOST_SMALL)
    try:
        stat = path.stat()
        if stat.st_size > most:
            raise CheckpointError(f"{path} has {stat.st_size} bytes, at most {most} are read; copy it again")
        if not (S_ISREG(stat.st_mode) or S_ISDIR(stat.st_mode)):
            raise CheckpointError(f"{path} is no plain file; copy it again")
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} is not UTF-8: {error.reason} at byte {error.start}; copy it again") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; copy it again") from error
    if text.startswith("\ufeff"):
        raise CheckpointError(f"{path} begins with a byte order mark; save it as UTF-8 without one")
    if text.startswith(LFS_POINTER):
        raise CheckpointError(f"{path} is a Git LFS pointer and not the file; run git lfs pull where it was cloned")
    return text


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None if there is no such file. Raises CheckpointError.

    Values are nested at most 64 deep, so that whoever walks through them needs no bound of its own.
    """
    text = read_text(path)
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON: {error}; copy it again") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no JSON object; copy it again")
    if is_deep(value):
        raise CheckpointError(f"{path} is nested more than {_DEEPEST} deep; copy it again")
    return value


def is_deep(value: Any) -> bool:
    """Whether a value from JSON is nested deeper than a checkpoint's files are."""
    level = [value]
    for _ in range(_DEEPEST):
        inner = (part.values() if isinstance(part, dict) else part for part in level)
        level = [part for parts in inner for part in parts if isinstance(part, dict | list)]
        if not level:
            return False
    return True
