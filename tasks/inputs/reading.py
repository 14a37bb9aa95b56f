"""Reads photos that were verified, and tells one that is gone from an input root that is. Knows no engine."""

from __future__ import annotations

from collections.abc import Callable

from blocks.errors import ObjectMissing
from blocks.store import Store
from tasks.records.errors import InputGone


def reading(root: Store, mission: str) -> Callable[[str], bytes]:
    """Reads a photo of a mission by its key; raises what `Store.read` does.

    Where the whole mission is gone, as when its disk is taken off, that raises InputGone: a run must not publish what
    is left and put the rest into quarantine, a photo at a time.
    """

    def read(key: str) -> bytes:
        try:
            return root.read(key)
        except ObjectMissing:
            if _is_empty(root, mission):
                raise InputGone(
                    f"{root.uri_of(mission)} was there when the run began and is empty or gone now: was it moved, "
                    "unmounted or deleted? bring it back and run again; what was summarised is kept"
                ) from None
            raise

    return read


def _is_empty(root: Store, mission: str) -> bool:
    try:
        return next(iter(root.list(f"{mission}/")), None) is None
    except ObjectMissing:  # the bucket
        return True
