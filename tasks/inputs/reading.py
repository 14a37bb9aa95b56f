"""Reads photos that were verified, and tells one that is gone from an input root that is."""

from __future__ import annotations

from collections.abc import Callable

from blocks.errors import ObjectMissing
from blocks.store import Store
from tasks.records.errors import InputGone


def reading(root: Store, under: str) -> Callable[[str], bytes]:
    """Reads a photo by its key; raises what `Store.read` does. All photos are in the folder `under`, a mission's, or
    anywhere below the root if that is empty.

    Where the whole folder is gone, as when its disk is taken off, that raises InputGone: a run must not publish what
    is left and put the rest into quarantine, a photo at a time.
    """

    def read(key: str) -> bytes:
        try:
            return root.read(key)
        except ObjectMissing:
            if _is_empty(root, under):
                raise InputGone(
                    f"{root.uri_of(under)} was there when the run began and is empty or gone now: was it moved, "
                    "unmounted or deleted? bring it back and run again; what was summarised is kept"
                ) from None
            raise

    return read


def _is_empty(root: Store, under: str) -> bool:
    try:
        return next(iter(root.list(f"{under}/" if under else "")), None) is None
    except ObjectMissing:  # the bucket
        return True
