"""Adapters merged into their base ahead of the runs that need it. Knows the order of the steps, not their inside.

hold slots -> merge and compare
"""

from __future__ import annotations

from typing import Any

from blocks.standalone import flow
from configs.parts import MergeConfig, ModelConfig
from configs.photo import Device
from configs.settings import load_merge
from configs.work import Slot
from flows.fleet import holding_slots
from flows.printing import escape_logs
from flows.shown import plain
from tasks.checkpoints.task import merge_checkpoint as merge_checkpoint_task


@flow(name="merge-checkpoint")
def merge_checkpoint(
    model: ModelConfig | None = None,
    merge: MergeConfig | None = None,
    device: Device | None = None,
    slots: list[Slot] | None = None,
    profile: str | None = None,
) -> dict[str, Any]:
    """Merge adapters into their base, once, and check that the texts stay the same.

    Args:
        model: The base and the adapters.
        merge: Where the merged checkpoint goes, and checks.
        device: Where the parity check runs: auto, cpu, cuda or cuda:N.
        slots: Prefect concurrency limits of which the run holds a slot each meanwhile.
        profile: A profile in configs/profiles, or a path to a YAML file.

    Returns:
        What `fieldcheck merge` prints: the folder, its fingerprint, and the parity of the probe photos.
    """
    escape_logs()
    given = {"model": plain(model), "merge": plain(merge), "device": device}
    config = load_merge({name: value for name, value in given.items() if value is not None}, profile)
    with holding_slots(slots or ()):
        return merge_checkpoint_task(config.model, config.merge, config.device).as_json()
