"""What ms-swift must not be given to merge. Looks at small files only."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from tasks.engines.folders.code import foreign
from tasks.engines.folders.files import ADAPTER_CONFIG, CONFIG, read_json
from tasks.records.errors import MergeFailed


def check_mergeable(base: Path, adapters: tuple[Path, ...]) -> None:
    """Raises MergeFailed for what ms-swift would merge wrongly, could not merge, or would have to run."""
    if find_spec("swift") is None or find_spec("qwen_vl_utils") is None:
        raise MergeFailed("merging needs the packages ms-swift and qwen-vl-utils; install fieldcheck with both")
    for folder in (base, *adapters):
        for line in foreign(folder):  # ms-swift loads with trust_remote_code on, and has no setting for it
            raise MergeFailed(f"{folder / line}")
    if "quantization_config" in (read_json(base / CONFIG) or {}):
        raise MergeFailed(f"{base} is quantised, and adapters cannot be merged into it; give the full base")
    if len(adapters) == 1:
        return
    for adapter in adapters:
        config = read_json(adapter / ADAPTER_CONFIG) or {}
        more = [name for name in ("modules_to_save", "use_dora", "trainable_token_indices") if config.get(name)]
        if more or config.get("bias", "none") != "none":
            raise MergeFailed(f"{adapter} changes more than it adds ({', '.join(more) or 'bias'}); merge it alone")
