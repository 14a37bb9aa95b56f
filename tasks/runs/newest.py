"""From what a person says of a run to its manifest: `latest.json` of a mission stands for its newest run."""

from __future__ import annotations

from collections.abc import Callable

from blocks.store import Store
from tasks.records.errors import ManifestError
from tasks.runs.keys import split_latest_uri
from tasks.runs.pointer import current


def manifest_of(uri: str, opened: Callable[[str], Store]) -> str:
    """URI of a manifest: that of the mission's newest run for `<store>/stage_a/<mission>/latest.json`, any other URI as
    it is. `opened` opens the store at a root.

    Raises ManifestError if the mission has no run, or StoreError.
    """
    if (found := split_latest_uri(uri)) is None:
        return uri
    root, mission = found
    latest = current(opened(root), mission)
    if latest is None:
        raise ManifestError(f"no run of {mission} was published to {root}: run stage-a first")
    return f"{root.rstrip('/')}/{latest.manifest}"
