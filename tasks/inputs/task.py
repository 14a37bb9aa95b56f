"""Prefect's view of the inputs step."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.stores import open_store
from configs.stage_a import StageAConfig
from tasks.inputs.discover import discover
from tasks.inputs.verify import InputReport, verify
from tasks.records.errors import InputRejected
from tasks.records.retry import RETRIED


@task(name="verify-inputs", cache_policy=NO_CACHE, **RETRIED)
def verify_inputs(config: StageAConfig) -> InputReport:
    """Find the mission's groups and verify them. Raises NothingToDo, InputRejected in a strict run, or StoreError."""
    log = get_run_logger()
    # A store that takes no objects is found out here and not after an hour on the GPU.
    open_store(config.store, config.s3).check(write=True)
    root = open_store(config.input_root, config.s3)
    root.check()
    report = verify(root, discover(root, config.mission), config.inputs, headers=config.verify_inputs)
    log.info("%d groups with %d photos accepted", len(report.groups), report.photos)
    for entry in report.rejected:
        place = entry.key or f"{entry.label or '-'}/{entry.group_id}"
        log.warning("rejected %s %s: %s (%s)", entry.kind, place, entry.reason.value, entry.detail)
    if report.ignored:
        log.info("ignored %d files that are no photos of a group, such as %s", len(report.ignored), report.ignored[0])
    if config.inputs.strict and report.rejected:
        reasons = "; ".join(f"{e.key or e.group_id}: {e.reason.value}" for e in report.rejected if e.kind == "group")
        raise InputRejected(
            f"{report.rejected_groups} groups were rejected and the run is strict: {reasons}; mend them, or run "
            "without inputs.strict to quarantine them"
        )
    return report
