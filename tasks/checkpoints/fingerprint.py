"""A digest that stands for a checkpoint or an adapter. Knows files, not what is in them.

The fingerprint is the sha256 of one line a file, `<sha256 of the file>  <name>`, sorted by name, over every file that
can change a text: weights, configs, tokenizer, chat template, processor. Where the folder lies, when it was copied, and
a README beside the weights do not change it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from tasks.records.errors import CheckpointError

PATTERNS = ("*.safetensors", "*.json", "*.jinja", "chat_templates/*.jinja", "merges.txt", "vocab.txt")
"""Files that can change a text. A JSON file that is not known counts: it is better to infer again than to be wrong."""

IGNORED = (
    "README.json",
    "report.json",
    "trainer_state.json",
    "args.json",
    "merged.json",
    "model.safetensors.index.json",
)
"""Files that match a pattern and cannot: records of training and of merging, and the index of weights that are hashed
themselves."""

_BLOCK = 8 * 2**20


def fingerprint(folder: str | Path) -> str:
    """Fingerprint of a folder, 64 hex digits. Raises CheckpointError if it cannot be read or holds no weights."""
    root = Path(folder)
    names = counted(root)
    if not any(name.endswith(".safetensors") for name in names):
        raise CheckpointError(f"{root} holds no *.safetensors; give the folder of a checkpoint or an adapter")
    try:
        lines = [f"{_digest(root / name)}  {name}\n" for name in names]
    except OSError as error:
        raise CheckpointError(f"{error.filename or root} cannot be read: {error.strerror}; copy it again") from error
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def counted(root: Path) -> list[str]:
    """Names, relative to the folder and sorted, of the files that a fingerprint covers."""
    found = {path for pattern in PATTERNS for path in root.glob(pattern) if path.is_file()}
    return sorted({path.relative_to(root).as_posix() for path in found} - {*IGNORED})


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
