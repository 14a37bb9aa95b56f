"""Adapters merged into their base ahead of the runs that need it. Knows the order of the steps, not their inside.

hold slots -> merge and compare
"""

from __future__ import annotations

from typing import Any

from blocks.standalone import flow
from configs.checkpoints import MergeRunConfig
from configs.parameters import given, parameters_of
from configs.settings import load
from flows.devices import holding_slots
from flows.printing import escape_logs
from tasks.checkpoints.task import merge_checkpoint as merge_checkpoint_task


@flow(name="merge-checkpoint")
@parameters_of(MergeRunConfig)
def merge_checkpoint(*, profile: str | None = None, **parameters: Any) -> dict[str, Any]:
    """Merge adapters into their base, once, and check that the texts stay the same.

    Returns:
        What `fieldcheck merge` prints: the folder, its fingerprint, and the parity of the probe photos.
    """
    escape_logs()
    config = load(MergeRunConfig, given(parameters), profile)
    with holding_slots(config.slots):
        return merge_checkpoint_task(config.model, config.merge, config.device).as_json()
