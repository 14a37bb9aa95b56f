"""Prefect's view of the inputs step."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.stores import open_store
from configs.parts import InputConfig
from configs.stores import S3Options
from tasks.common.progress import counted
from tasks.common.retry import RETRIED
from tasks.inputs.discover import discover, discover_again
from tasks.inputs.verify import InputReport, verify
from tasks.ledger.groups import State
from tasks.ledger.ledger import Ledger
from tasks.records.errors import InputRejected
from tasks.records.photos import on_one_line

_SHOWN = 20
_LOG_SECONDS = 30.0


@task(name="verify-inputs", cache_policy=NO_CACHE, **RETRIED)
def verify_inputs(
    input_root: str,
    s3: S3Options,
    mission: str,
    inputs: InputConfig,
    ledger: Ledger,
    folders: Sequence[str] | None = None,
    *,
    headers: bool = True,
    partial: bool = False,
) -> InputReport:
    """Find the mission's groups, or only those in `folders`, and verify them.

    With `headers` photos and markers are judged, without them only hashed. With `partial` a group stays in the run
    without its bad photos.
    Raises NothingToDo, InputRejected in a strict run, or StoreError.
    """
    log = get_run_logger()
    root = open_store(input_root, s3)
    root.check()
    # A retry begins anew, but for what was carried over from an earlier run.
    ledger.groups.forget_found(carried=folders is not None)
    if folders is None:
        found = discover(root, mission, ledger.groups)
    else:
        found = discover_again(root, mission, folders, ledger.groups)
    log.info("found %d groups with %d photos", found.groups, found.photos)
    total = found.photos + found.unknown
    report = verify(
        root,
        ledger.groups,
        found,
        inputs,
        headers=headers,
        partial=partial,
        on_photo=counted(lambda done: log.info("verified %d of %d photos", done, total), _LOG_SECONDS),
    )
    log.info("%d groups with %d photos accepted", report.groups, report.photos)
    for entry in report.examples:
        place, detail = on_one_line(entry.key or entry.group_id), on_one_line(entry.detail)
        log.warning("rejected %s %s: %s (%s)", entry.kind, place, entry.reason.value, detail)
    if report.rejected_groups > len(report.examples):
        log.warning("%d groups rejected in all; all of them will be in the quarantine", report.rejected_groups)
    if report.ignored:
        log.info("ignored %d files that are no photos of a group (%s)", report.ignored, report.ignored_kinds)
    for note in report.notes:
        log.warning("%s", note)
    if inputs.strict and report.rejected_groups:
        raise InputRejected(
            f"{report.rejected_groups} groups were rejected and the run is strict: {_reasons(ledger)}; mend them, or "
            "run without inputs.strict to quarantine them"
        )
    return report


def _reasons(ledger: Ledger) -> str:
    groups = zip(ledger.groups.entries(State.REJECTED), range(_SHOWN), strict=False)
    told = [f"{on_one_line(entry.group.group_id)}: {entry.lines[-1].reason.value}" for entry, _ in groups]
    more = ledger.groups.count(State.REJECTED) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")
