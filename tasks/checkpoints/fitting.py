"""Whether an adapter can be run on a base: its own faults, and its weights against the base's. Compares no small files.

The model libraries are imported when two folders are held against each other, and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tasks.checkpoints.align import Mismatch
from tasks.engines.folders.adapters import adapter_refusals, adapter_warnings
from tasks.engines.folders.files import ADAPTER_CONFIG
from tasks.records.errors import CheckpointMisaligned

_MOST_TOLD = 4


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
        raise CheckpointMisaligned(f"{adapter} cannot be loaded: {'; '.join(own[:_MOST_TOLD])}", (ADAPTER_CONFIG,))
    found = weight_mismatches(base, adapter)
    if found:
        raise CheckpointMisaligned(
            f"{adapter} does not fit the base {base}: {'; '.join(map(str, found[:_MOST_TOLD]))}; "
            "use the base that it was trained on, or save the adapter again",
            tuple(dict.fromkeys(mismatch.file for mismatch in found)),
        )
    for line in (*adapter_warnings(adapter), *unheeded(adapter)):
        say(f"warning: {adapter}: {line}")
