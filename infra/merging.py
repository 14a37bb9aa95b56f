"""What a deploy writes: what the files changed since the last deploy, on top of what people changed since. Pure.

Documents are JSON values; dictionaries are merged key by key, lists and all else as a whole. For each leaf:

    there == wanted           nothing to do
    there == last deployed    nobody touched it: the files' value is written
    wanted == last deployed   the files did not change it: what is there is a person's, and is kept
    all three differ          the files changed it after a person did: the files' value is written, and both are told
    never deployed            what is there is kept, what is not there is written

`bases` is what was last deployed and, when that deploy was killed, what it was about to write: a leaf that has either
value is nobody's change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final


class _Missing(Enum):
    """No value at all; None is a value."""

    MISSING = "nothing"

    def __repr__(self) -> str:
        return self.value


MISSING: Final = _Missing.MISSING


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value that differs: where, what is there, and what the files say; `MISSING` for none."""

    path: tuple[str, ...]
    there: Any
    wanted: Any
    by_hand: bool = False
    """Of a change: a person had changed it too."""


@dataclass(slots=True)
class Merged:
    """The document to write, what is changed by it, and what of a person's it keeps."""

    value: Any
    changed: list[Leaf] = field(default_factory=list)
    kept: list[Leaf] = field(default_factory=list)


def merge(bases: Sequence[Any], there: Any, wanted: Any, path: tuple[str, ...] = ()) -> Merged:
    """One document out of three; `bases` is empty when it was never deployed."""
    if isinstance(there, dict) and isinstance(wanted, dict):
        return _merge_keys(bases, there, wanted, path)
    if there == wanted:
        return Merged(there)
    if there in bases or (not bases and there is MISSING):
        return Merged(wanted, changed=[Leaf(path, there, wanted)])
    if not bases or wanted in bases:
        return Merged(there, kept=[Leaf(path, there, wanted)])
    return Merged(wanted, changed=[Leaf(path, there, wanted, by_hand=True)])


def _merge_keys(bases: Sequence[Any], there: dict[str, Any], wanted: dict[str, Any], path: tuple[str, ...]) -> Merged:
    """Key by key, in the order of the files, then of what is there."""
    whole = Merged({})
    for key in dict.fromkeys([*wanted, *there]):
        below = [base.get(key, MISSING) if isinstance(base, dict) else MISSING for base in bases]
        one = merge(below, there.get(key, MISSING), wanted.get(key, MISSING), (*path, key))
        if one.value is not MISSING:
            whole.value[key] = one.value
        whole.changed += one.changed
        whole.kept += one.kept
    return whole
