"""The shipped form of the demo's checkpoints, and their expansion to full Hugging Face directories.

Shipped: bf16 weights with only the embedding rows in use. Expanded: float32, 151936 rows, deterministic to the byte.
What judges is shipped as the tensors in which it differs from the checkpoint that reads photos.
Knows no training, and imports no torch: expanding takes seconds and happens on every fresh machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from infra.demo.tokenizer import FIRST_SPECIAL, SPECIAL_IDS, VOCAB_SIZE

DEMO = Path(__file__).parent
WEIGHTS = "model.safetensors"
DIGEST = "expanded.json"
EMBEDDING = "model.language_model.embed_tokens.weight"
_COPIED = (
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "video_preprocessor_config.json",
)


def expand(target: Path, source: Path = DEMO / "checkpoint", over: Path | None = None) -> Path:
    """Write the full checkpoint to `target` and return it; a target that is already whole is left alone.

    The tensors of `over` take the place of the source's.
    The directory is built beside the target and renamed, so nobody ever sees half of it.
    """
    wanted = digest_of(source, over)
    if _is_whole(target, wanted):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for name in _COPIED:
            shutil.copyfile(source / name, building / name)
        save_file(_full_weights(source, over), building / WEIGHTS, metadata={"format": "pt"})
        for path in building.iterdir():
            path.chmod(0o644)
        sizes = {path.name: path.stat().st_size for path in sorted(building.iterdir())}
        (building / DIGEST).write_text(
            json.dumps({"source": wanted, "bytes": sizes}, indent=1) + "\n", encoding="utf-8"
        )
        building.chmod(0o755)
        replace_folder(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def replace_folder(built: Path, target: Path) -> None:
    """Put a finished directory in the place of `target`, whatever is there now."""
    if target.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
        os.replace(target, old / target.name)
        os.replace(built, target)
        shutil.rmtree(old)
    else:
        os.replace(built, target)


def digest_of(folder: Path, over: Path | None = None) -> str:
    """sha256 over the names and contents of what expansion reads."""
    digest = hashlib.sha256()
    for path in (*(folder / name for name in (*_COPIED, WEIGHTS)), *([over / WEIGHTS] if over else [])):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _is_whole(target: Path, wanted: str) -> bool:
    try:
        note = json.loads((target / DIGEST).read_text(encoding="utf-8"))
        return note["source"] == wanted and all(
            (target / name).stat().st_size == size for name, size in note["bytes"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _full_weights(source: Path, over: Path | None) -> dict[str, NDArray[np.float32]]:
    """Shipped weights as float32, the embedding with its rows where the real token ids point and zeros between."""
    weights = read_bf16(source / WEIGHTS) | (read_bf16(over / WEIGHTS) if over else {})
    rows = weights[EMBEDDING]
    ordinary = len(rows) - len(SPECIAL_IDS)
    full = np.zeros((VOCAB_SIZE, rows.shape[1]), np.float32)
    full[:ordinary] = rows[:ordinary]
    full[FIRST_SPECIAL : FIRST_SPECIAL + len(SPECIAL_IDS)] = rows[ordinary:]
    weights[EMBEDDING] = full
    return weights


def read_bf16(path: Path) -> dict[str, NDArray[np.float32]]:
    """The tensors of a bf16 safetensors file as float32, exactly (NumPy knows no bf16).

    Source of the layout: the safetensors format, an 8-byte little-endian header length, a JSON header, then the data.
    """
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    tensors = {}
    for name, entry in sorted(header.items()):
        if name == "__metadata__":
            continue
        if entry["dtype"] != "BF16":
            raise ValueError(f"{path}: tensor {name} is {entry['dtype']}, expected BF16; train again to ship it anew")
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        halves = np.frombuffer(content[first:last], "<u2").astype("<u4") << 16
        tensors[name] = halves.view("<f4").astype(np.float32).reshape(entry["shape"])
    return tensors
