"""A digest that stands for a checkpoint or an adapter. Knows files, not what is in them.

The fingerprint is the sha256 of one line a file, `<sha256 of the file>  <name>`, sorted by name, over every file that
can change a text: the weights that are loaded, the index that names them, configs, tokenizer, chat template, processor.
Where the folder lies, when it was copied, and a README beside the weights do not change it. A file may be a link, as in
a hub's cache: what counts is what it leads to.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from tasks.engines.folders.files import INDEX
from tasks.engines.folders.weights import choose_weights
from tasks.records.errors import CheckpointError

PATTERNS = ("*.json", "*.jinja", "chat_templates/*.jinja", "merges.txt", "vocab.txt")
"""Small files that can change a text. A JSON file that is not known counts: it is better to infer again than to be
wrong. One whose name begins with a dot is some tool's own."""

IGNORED = (
    "README.json",
    "report.json",
    "trainer_state.json",
    "args.json",
    "merged.json",
    INDEX,
)
"""Files that match a pattern and cannot: records of training and of merging, and an index of weights, which counts
where it is followed."""

_BLOCK = 8 * 2**20


def fingerprint(folder: str | Path) -> str:
    """Fingerprint of a folder, 64 hex digits. Raises CheckpointError if it cannot be read, or if it cannot be told
    which weights are loaded."""
    root = Path(folder)
    names = counted(root)
    try:
        lines = [f"{_digest(root / name)}  {name}\n" for name in names]
    except OSError as error:
        raise CheckpointError(f"{error.filename or root} cannot be read: {error.strerror}; copy it again") from error
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def counted(root: Path) -> list[str]:
    """Names, relative to the folder and sorted, of the files that a fingerprint covers. Raises CheckpointError like
    `fingerprint`."""
    chosen = choose_weights(root)
    if chosen.faults:
        raise CheckpointError(f"{root}: {chosen.faults[0]}; give the folder of a checkpoint or an adapter")
    found = {path for pattern in PATTERNS for path in root.glob(pattern) if path.is_file()}
    names = {path.relative_to(root).as_posix() for path in found}
    small = {name for name in names if not name.startswith(".")} - {*IGNORED}
    return sorted({*small, *chosen.files, *([INDEX] if chosen.index is not None else [])})


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
