"""Whether an adapter or a merged checkpoint goes with its base: it reads and writes as that does, and its weights fit.

A model that is shown other tokens, another template or photos scaled otherwise than its base answers worse, and nothing
fails. So every difference in meaning is named with its file; a difference in form is none. Small files are compared
without loading weights; the model libraries are imported when the weights of two folders are held against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.engines.folders.adapters import adapter_refusals, adapter_warnings, config_faults
from tasks.engines.folders.content import Said, chat_templates, end_tokens, image_processor, special_tokens, vocabulary
from tasks.engines.folders.files import (
    ADAPTER_CONFIG,
    CONFIG,
    PREPROCESSOR,
    TEMPLATE,
    TOKENIZER,
    TOKENIZER_CONFIG,
    Kind,
    kind_of,
    read_json,
)
from tasks.records.errors import CheckpointMisaligned

_MOST_TOLD = 8
_MOST_WEIGHTS_TOLD = 4
_MOST_WORD = 60

_FREE = ("_name_or_path", "dtype", "torch_dtype", "transformers_version", "use_cache", "eos_token_id", "pad_token_id")
"""Keys that say how a checkpoint was saved, or that are compared elsewhere."""

_ROPE = ("rope_parameters", "rope_scaling", "rope_theta")

_ROLES: tuple[tuple[str, Callable[[Path], Said | None]], ...] = (
    (TOKENIZER, vocabulary),
    (TOKENIZER_CONFIG, special_tokens),
    (PREPROCESSOR, image_processor),
)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A file of the other folder, and what in it is not the base's."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


@dataclass(frozen=True, slots=True)
class Alignment:
    """Two folders that go together; `own` are the files that the other one has itself and that were compared."""

    base: str
    other: str
    kind: Kind
    own: tuple[str, ...]


def check_alignment(base: Path, other: Path) -> Alignment:
    """Compare an adapter, or a merged checkpoint, with its base.

    An adapter may lack any of the files: then the base's are used. A merged checkpoint must have what the base has.
    Raises CheckpointMisaligned, which names every file, and CheckpointError if a file cannot be read.
    """
    found = mismatches(base, other)
    if found:
        told = [str(mismatch) for mismatch in found[:_MOST_TOLD]]
        more = [f"{len(found) - _MOST_TOLD} more"] if len(found) > _MOST_TOLD else []
        raise CheckpointMisaligned(
            f"{other} is not made for the base {base}: {'; '.join([*told, *more])}; "
            "use the base that it was trained on, or copy these files from it",
            tuple(dict.fromkeys(mismatch.file for mismatch in found)),
        )
    own = [said.file for _, read in _ROLES if (said := read(other)) is not None]
    return Alignment(str(base), str(other), kind_of(other), (*own, *chat_templates(other)))


def mismatches(base: Path, other: Path) -> list[Mismatch]:
    """Every difference in meaning. Raises CheckpointError if a file cannot be read."""
    merged = kind_of(other) == "checkpoint"
    found = [*_templates(base, other, merged)]
    for file, read in _ROLES:
        theirs = read(other)
        found += _role(file, read(base), theirs, merged) if merged or theirs is not None else ()
    if merged:
        found += _role(CONFIG, end_tokens(base), end_tokens(other), merged)
        found += [Mismatch(CONFIG, what) for what in config_differences(_config(base), _config(other))]
    else:
        found += [Mismatch(*line.split(": ", 1)) for line in config_faults(other)]
    return found


def _config(folder: Path) -> dict[str, Any]:
    return read_json(folder / CONFIG) or {}


def _templates(base: Path, other: Path, merged: bool) -> Iterator[Mismatch]:
    ours, theirs = chat_templates(base), chat_templates(other)
    if merged and ours and not theirs:
        yield Mismatch(TEMPLATE, "is missing, the base has a chat template")
    in_force = next(iter(ours.values()), None)
    for file, text in theirs.items():
        # A base's own files may differ among themselves; a copy of any of them is the base's.
        if text not in (in_force, ours.get(file)):
            yield Mismatch(file, _where_text_differs(text, in_force))


def _where_text_differs(text: str, base: str | None) -> str:
    if base is None:
        return "is a chat template, the base has none"
    ours, theirs = base.split("\n"), text.split("\n")
    same = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    return f"differs from the base's from line {same + 1} on"


def _role(file: str, base: Said | None, other: Said | None, merged: bool) -> Iterator[Mismatch]:
    if base is not None and other is None and merged:
        yield Mismatch(file, f"is missing, the base has {base.file}")
    if other is None:
        return
    if base is None:
        yield Mismatch(other.file, "is there, the base has none")
        return
    for name, theirs in other.facts.items():
        if name in base.facts and theirs != base.facts[name]:
            yield Mismatch(other.file, _difference(name, theirs, base.facts[name]))


def _difference(name: str, other: Any, base: Any) -> str:
    if isinstance(other, dict) and isinstance(base, dict) and name in ("tokens", "added_tokens"):
        keys = [key for key in {**base, **other} if base.get(key) != other.get(key)]
        example = f"{_short(keys[0])} is {_short(other.get(keys[0]))}, base {_short(base.get(keys[0]))}"
        return f"{name}: {len(keys)} differ, such as {example}"
    if isinstance(other, list) and isinstance(base, list) and name == "merges":
        pairs = zip(other, base, strict=False)
        same = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(other), len(base)))
        return f"{name} differ from number {same + 1} on, {len(other)} in all, base {len(base)}"
    return f"{name} {_short(other)}, base {_short(base)}"


def _short(value: Any) -> str:
    word = repr(value)
    return word if len(word) <= _MOST_WORD else f"{word[: _MOST_WORD - 1]}…"


def config_differences(base: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Keys of two `config.json` that both give and that differ: writers leave out what is a default."""
    ours, theirs = _flat(base), _flat(other)
    needed = [name for name in ("model_type", "architectures") if name in ours and name not in theirs]
    both = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    return [
        *(f"{name} is missing, base {ours[name]!r}" for name in needed),
        *(f"{name} {theirs[name]!r}, base {ours[name]!r}" for name in both),
    ]


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, value in config.items():
        if name in _FREE or name in _ROPE:
            continue
        facts |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    if any(name in config for name in _ROPE):
        facts |= {f"{prefix}rope.{name}": value for name, value in _rope(config).items()}
    return facts


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    """Rotary positions as transformers 5 writes them; 4 had `rope_scaling` beside `rope_theta`."""
    given = config.get("rope_parameters") or config.get("rope_scaling") or {}
    rope = dict(given) if isinstance(given, dict) else {}
    if config.get("rope_theta") is not None:
        rope.setdefault("rope_theta", config["rope_theta"])
    if "type" in rope:
        rope.setdefault("rope_type", rope.pop("type"))
    return rope


def weight_mismatches(base: Path, adapter: Path) -> list[Mismatch]:
    """In which ways an adapter that can be read does not fit a base that can be loaded. Raises CheckpointError."""
    from tasks.engines.folders.fit import misfits

    return [Mismatch(file, what) for file, what in misfits(base, adapter)]


def unheeded(adapter: Path) -> list[str]:
    """A line for each thing in an adapter's config that has no effect here. Raises CheckpointError."""
    from tasks.engines.folders.fit import unknown_keys

    keys = unknown_keys(adapter)
    return [f"{ADAPTER_CONFIG}: {', '.join(keys)}: not known to the PEFT here, and without effect"] if keys else []


def check_adapter(base: Path, adapter: Path, say: Callable[[str], None]) -> None:
    """Raises CheckpointMisaligned, with names, for an adapter that cannot be read or does not fit its base.

    `say` hears of what it can be run with and is most likely not meant to be. Raises CheckpointError.
    """
    own = adapter_refusals(adapter)
    if own:
        raise CheckpointMisaligned(
            f"{adapter} cannot be loaded: {'; '.join(own[:_MOST_WEIGHTS_TOLD])}", (ADAPTER_CONFIG,)
        )
    found = weight_mismatches(base, adapter)
    if found:
        raise CheckpointMisaligned(
            f"{adapter} does not fit the base {base}: {'; '.join(map(str, found[:_MOST_WEIGHTS_TOLD]))}; "
            "use the base that it was trained on, or save the adapter again",
            tuple(dict.fromkeys(mismatch.file for mismatch in found)),
        )
    for line in (*adapter_warnings(adapter), *unheeded(adapter)):
        say(f"warning: {adapter}: {line}")
