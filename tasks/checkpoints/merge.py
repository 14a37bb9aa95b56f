"""Adapters merged into their base, once: exported by ms-swift, compared with what they were, kept. Knows no run.

The merged folder carries the base's own tokenizer, chat template, processor and generation files, byte for byte:
ms-swift writes them anew, in another form and under other names. Only weights and config.json are the export's.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from configs.parts import MergeConfig, ModelConfig
from tasks.checkpoints.align import check_adapter, check_alignment
from tasks.checkpoints.fingerprint import counted, fingerprint
from tasks.checkpoints.merge_record import (
    Parity,
    Record,
    building,
    check_space,
    is_whole,
    locked,
    merge_key,
    merge_root,
    publish,
    read_record,
    sizes,
)
from tasks.checkpoints.merge_steps import carry_over, check_changed, check_export, check_mergeable
from tasks.checkpoints.probes import Probe, probe_photos
from tasks.checkpoints.swift_export import export
from tasks.engines.folders.admission import check_loadable
from tasks.engines.folders.files import CONFIG, as_folder
from tasks.engines.folders.weights import DTYPES, read_weights
from tasks.records.errors import MergeFailed, ParityTooLow

Say = Callable[[str], None]

_MARGIN = 1.1
_PACKAGES = ("ms-swift", "transformers", "peft", "torch")


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged checkpoint. `fresh` says whether this call made it; `seconds` and `parity` are of its making."""

    path: str
    fingerprint: str
    fresh: bool
    seconds: float
    parity: Parity
    base_fingerprint: str
    adapter_fingerprints: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Sources:
    base: Path
    adapters: tuple[Path, ...]
    base_fingerprint: str
    adapter_fingerprints: tuple[str, ...]


def merge(model: ModelConfig, merge: MergeConfig, device: str, say: Say) -> Merged:
    """Merge `model.adapters` into `model.base`, or find it done: once, whatever runs and processes ask.

    `device` is where the two are compared; the merge itself runs on the CPU. Raises MergeFailed, ParityTooLow,
    CheckpointMisaligned, CheckpointError, and what loading a model raises. Nothing that looks merged is left then.
    """
    sources = _sources(model)
    key = merge_key(sources.base_fingerprint, sources.adapter_fingerprints)
    root = merge_root(merge.root)
    target = root / key
    done = _done(target, sources, merge)
    if done is not None:
        return done
    probes = probe_photos(merge.probe_photos, merge.probes)
    check_mergeable(sources.base, sources.adapters)
    for adapter in sources.adapters:
        check_adapter(sources.base, adapter, say)
    with locked(root, key, 2 * merge.timeout_seconds * len(sources.adapters), say):
        done = _done(target, sources, merge)
        if done is not None:
            return done
        if target.exists():
            say(f"{target} is damaged, and is made again")
        try:
            record = _make(sources, root, key, model, merge, device, probes, say)
        except OSError as error:
            raise MergeFailed(f"the merge in {root} failed: {error}; make room, or give another merge.root") from error
    say(f"merged into {target} in {record.seconds:.1f} s, fingerprint {record.fingerprint[:12]}")
    return _merged(target, record, fresh=True)


def _sources(model: ModelConfig) -> _Sources:
    if not model.base or not model.adapters:
        raise MergeFailed("a merge needs model.base and at least one of model.adapters")
    base = as_folder(model.base, "model.base")
    check_loadable(base)
    adapters = tuple(as_folder(adapter, "adapter") for adapter in model.adapters)
    for adapter in adapters:
        check_alignment(base, adapter)
    return _Sources(base, adapters, fingerprint(base), tuple(fingerprint(adapter) for adapter in adapters))


def _stamps(sources: _Sources) -> list[tuple[str, int, int, int]]:
    """What changes when a file of the sources is written or replaced."""
    files = [folder / name for folder in (sources.base, *sources.adapters) for name in counted(folder)]
    return [(str(file), stat.st_ino, stat.st_size, stat.st_mtime_ns) for file in files for stat in (file.stat(),)]


def _done(target: Path, sources: _Sources, merge: MergeConfig) -> Merged | None:
    record = read_record(target)
    if record is None or not is_whole(target, record):
        return None
    if (record.base, record.adapters) != (sources.base_fingerprint, sources.adapter_fingerprints):
        return None
    _check_parity(record.parity, merge)
    check_changed(sources.base, target)
    return _merged(target, record, fresh=False)


def _merged(target: Path, record: Record, *, fresh: bool) -> Merged:
    return Merged(str(target), record.fingerprint, fresh, record.seconds, record.parity, record.base, record.adapters)


def _make(
    sources: _Sources,
    root: Path,
    key: str,
    model: ModelConfig,
    merge: MergeConfig,
    device: str,
    probes: list[Probe],
    say: Say,
) -> Record:
    began = time.monotonic()
    weights = read_weights(sources.base)
    if weights.faults:
        raise MergeFailed(f"{sources.base}: {'; '.join(weights.faults)}")
    dtype = DTYPES.get(next(iter(weights.dtypes), ""), "")
    before = _stamps(sources)
    copies = 1 if len(sources.adapters) == 1 else 2
    with building(root, key) as work:
        check_space(root, int(weights.bytes * copies * _MARGIN))
        made = _export_each(sources, work, dtype, merge, say)
        carry_over(sources.base, made)
        check_export(weights, sources.base, made)
        check_changed(sources.base, made)
        parity = _compare(sources, made, work, model, device, probes, say)
        say(
            f"parity: {parity.same} of {parity.photos} photos with the same text, largest logit difference "
            f"{parity.largest_logit_difference:.3g}"
        )
        _check_parity(parity, merge)
        if _stamps(sources) != before:
            raise MergeFailed(f"{sources.base} or an adapter changed while it was merged; merge again")
        record = Record(
            base=sources.base_fingerprint,
            adapters=sources.adapter_fingerprints,
            fingerprint=fingerprint(made),
            dtype=dtype,
            files=sizes(made),
            seconds=round(time.monotonic() - began, 2),
            parity=parity,
            parity_on=f"{device}, {model.dtype}",
            versions={package: version(package) for package in _PACKAGES},
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        publish(made, record, root / key)
    return record


def _export_each(sources: _Sources, work: Path, dtype: str, merge: MergeConfig, say: Say) -> Path:
    """One export an adapter, each on top of the last; the folder of the last one."""
    made = sources.base
    for number, adapter in enumerate(sources.adapters):
        say(f"merging {adapter} into {sources.base}, weights in {dtype}")
        target = work / f"export-{number}"
        export(made, adapter, target, dtype=dtype, timeout_seconds=merge.timeout_seconds, say=say)
        if not (target / CONFIG).is_file():
            raise MergeFailed(f"ms-swift's export of {adapter} ended without an error and without a checkpoint")
        if made != sources.base:
            shutil.rmtree(made)
        made = target
    return made


def _compare(
    sources: _Sources, made: Path, work: Path, model: ModelConfig, device: str, probes: list[Probe], say: Say
) -> Parity:
    from tasks.checkpoints.parity import Comparison  # torch, which a merge that is done already does not need

    scratch = work / "parity"
    scratch.mkdir()
    comparison = Comparison(str(sources.base), model, device, probes, scratch)
    comparison.learn(str(sources.base), [str(adapter) for adapter in sources.adapters], say)
    return comparison.compare(str(made), say)


def _check_parity(parity: Parity, merge: MergeConfig) -> None:
    if parity.share < merge.min_parity:
        raise ParityTooLow(
            f"the merged checkpoint says what base and adapters say on {parity.same} of {parity.photos} probe photos, "
            f"merge.min_parity asks for {merge.min_parity:g}; the first difference is {parity.first_difference}, the "
            f"largest logit difference {parity.largest_logit_difference:.3g}"
        )
