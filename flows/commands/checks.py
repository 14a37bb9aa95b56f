"""The commands that look at something and change nothing, without a run: `inspect`, `verify` and `missions`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.checkpoints import InspectConfig
from configs.missions import known_missions
from configs.stage_b import VerifyConfig
from flows.printing import say
from flows.terminal import print_result, progress_line

if TYPE_CHECKING:
    from blocks.store import Store
    from tasks.runs.verified_files import Checked


def inspect(config: InspectConfig) -> int:
    """`fieldcheck inspect CHECKPOINT`. Exit code 1 when something is wrong with it. Raises CheckpointError."""
    from tasks.checkpoints.inspect import inspect as inspect_checkpoint

    found = inspect_checkpoint(Path(config.checkpoint), Path(config.base) if config.base else None)
    for line in found.lines():
        progress_line(line)
    print_result(found.as_json())
    return 1 if found.refused or found.warnings else 0


def missions() -> int:
    """`fieldcheck missions`. Raises ConfigError for a mission's file, or a cron line that Prefect refuses."""
    from blocks.schedules import check_schedules  # Prefect, only where schedules are looked at

    check_schedules(known_missions())
    for mission in known_missions().values():
        say(f"{mission.name}  ({mission.slug})\n    {mission.focus}\n")
    return print_result({"missions": list(known_missions())})


def verify(config: VerifyConfig) -> int:
    """`fieldcheck verify MANIFEST`. Raises ManifestError, RecordError or StoreError for what does not verify."""
    from blocks.stores import open_store
    from tasks.runs.keys import split_manifest_uri
    from tasks.runs.newest import manifest_of

    opened = partial(open_store, options=config.s3)
    root, key = split_manifest_uri(manifest := manifest_of(config.manifest, opened))
    checked = check_any(opened(root), key, config.sha256)
    of = {"name": checked.manifest.name} if checked.stage == "dense" else {"mission": checked.manifest.mission}
    return print_result(_verified(manifest, checked, of))


def check_any(store: Store, key: str, expected: str | None = None) -> Checked[Any]:
    """Check the published run behind a manifest's key, of whatever kind; `expected` is the manifest's sha256, if known.

    Raises ManifestError, RecordError or StoreError for what does not verify.
    """
    from tasks.dense.check import check_captions
    from tasks.runs.check import check_run
    from tasks.tickets.check import check_tickets
    from tasks.verdicts.check import check_judgement

    kinds = {"stage_a": check_run, "stage_b": check_tickets, "dense": check_captions}
    check: Callable[..., Checked[Any]] = kinds[key.partition("/")[0]]
    if check is check_tickets and b'"kind": "judgement"' in store.read(key):
        check = check_judgement
    return check(store, key, expected)


def _verified(manifest: str, checked: Checked[Any], of: dict[str, str]) -> dict[str, Any]:
    return {
        "manifest": manifest,
        "sha256": checked.sha256,
        "stage": checked.stage,
        **of,
        "objects": checked.objects,
        "records": checked.records,
        "bytes": checked.bytes,
    }
