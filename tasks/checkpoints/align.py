"""Whether an adapter or a merged checkpoint reads and writes as its base does. Loads no weights.

A model that is shown other tokens, another template or photos scaled otherwise than its base answers worse, and nothing
fails. So every difference in meaning is named with its file; a difference in form is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.checkpoints.shapes import config_differences
from tasks.engines.folders.adapters import config_faults
from tasks.engines.folders.content import Said, chat_templates, end_tokens, image_processor, special_tokens, vocabulary
from tasks.engines.folders.files import (
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
_MOST_WORD = 60

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
