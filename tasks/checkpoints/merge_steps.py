"""Steps of a merge around ms-swift's export: what it must not be given, and what becomes of what it wrote."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from tasks.checkpoints.align import check_alignment
from tasks.engines.folders.code import foreign
from tasks.engines.folders.files import ADAPTER_CONFIG, CONFIG, SPOKEN, TEMPLATE_FOLDER, read_json
from tasks.engines.folders.weights import WIDTHS, Tensor, Weights, read_weights
from tasks.records.errors import CheckpointMisaligned, MergeFailed

_BLOCK = 8 * 2**20


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


def carry_over(base: Path, made: Path) -> None:
    """Put the base's own files in place of those that the export wrote anew."""
    shutil.rmtree(made / TEMPLATE_FOLDER, ignore_errors=True)
    for name in SPOKEN:
        (made / name).unlink(missing_ok=True)
        if (base / name).is_file():
            shutil.copyfile(base / name, made / name)
    if (base / TEMPLATE_FOLDER).is_dir():
        shutil.copytree(base / TEMPLATE_FOLDER, made / TEMPLATE_FOLDER)


def check_export(base_weights: Weights, base: Path, made: Path) -> None:
    """Raises MergeFailed if the export is not the base with other weights."""
    weights = read_weights(made)
    ours, theirs = base_weights.tensors, weights.tensors
    # A head that is tied to the embedding need not be written.
    lost = sorted(name for name in ours if name not in theirs and name != "lm_head.weight")
    other = sorted(name for name in theirs if name in ours and theirs[name].shape != ours[name].shape)
    faults = [
        *weights.faults,
        *(f"{name} is not there" for name in lost[:3]),
        *(f"{name} is {theirs[name].shape}, base {ours[name].shape}" for name in other[:3]),
    ]
    if faults:
        raise MergeFailed(f"ms-swift's export is not the base with other weights: {'; '.join(faults)}")
    try:
        check_alignment(base, made)
    except CheckpointMisaligned as error:
        raise MergeFailed(f"ms-swift's export is not the base with other weights: {error}") from error


def check_changed(base: Path, made: Path) -> None:
    """Raises MergeFailed if a merged checkpoint's weights are its base's, byte for byte: then no adapter is in them."""
    ours, theirs = read_weights(base).tensors, read_weights(made).tensors
    both = [name for name in ours if name in theirs and ours[name] == theirs[name]]
    # The smallest first: the first one that differs ends the comparison, and embeddings seldom do.
    for name in sorted(both, key=lambda name: (ours[name].size, name)):
        if _differ(base, ours[name], made, theirs[name]):
            return
    if len(both) == len(theirs):
        raise MergeFailed(
            f"the merge changes nothing: every weight of {made} is that of {base}. The adapter is zero, or too small "
            "for the base's dtype; look at it with `fieldcheck inspect ADAPTER --base BASE`"
        )


def _differ(base: Path, ours: Tensor, made: Path, theirs: Tensor) -> bool:
    left = ours.size * WIDTHS.get(ours.dtype, 1)
    with (base / ours.file).open("rb") as one, (made / theirs.file).open("rb") as other:
        one.seek(ours.begin)
        other.seek(theirs.begin)
        while left > 0:
            a, b = one.read(min(left, _BLOCK)), other.read(min(left, _BLOCK))
            if a != b or not a:
                return a != b
            left -= len(a)
    return False
