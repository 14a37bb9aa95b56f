"""`fieldcheck report MANIFEST`: a published run as a page with its photos, without a run."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from configs.errors import ConfigError, Fault
from configs.report import ReportConfig
from flows.commands.checks import check_any
from flows.terminal import print_result, progress_line


def report(config: ReportConfig) -> int:
    """`fieldcheck report MANIFEST`. Raises what `make_page` raises."""
    made = make_page(config)
    progress_line(f"the page: {made['report']}")
    return print_result(made)


def make_page(config: ReportConfig) -> dict[str, Any]:
    """Make the page: where it is, how many groups it has, and what became of their photos.

    Raises ConfigError for a run that has no groups; ManifestError, RecordError, StoreError or OutputError.
    """
    from blocks.stores import open_store
    from tasks.records.verdicts import JudgementManifest
    from tasks.reports.evidence import Photos, Report, default_place
    from tasks.reports.sources import judgement_of, source_of, stage_a_of
    from tasks.runs.keys import split_manifest_uri
    from tasks.runs.newest import manifest_of

    began = time.monotonic()
    opened = partial(open_store, options=config.s3)
    root, key = split_manifest_uri(manifest_of(config.manifest, opened))
    store = opened(root)
    checked = check_any(store, key, config.sha256)
    if checked.stage == "dense":
        raise ConfigError([Fault("manifest", "dense captions have no groups", "give a run of Stage-A or Stage-B")])
    given = None
    if config.source is not None:
        of, source = split_manifest_uri(manifest_of(config.source, opened))
        given = stage_a_of(opened(of), source)
    if checked.stage == "stage_a":
        run = stage_a_of(store, key, config.sha256)
    elif isinstance(checked.manifest, JudgementManifest):
        run = judgement_of(store, key, given)
    else:
        run = given or source_of(store, key)
    photos = None
    if config.photos:
        photos = Photos(opened(config.photos), config.inputs)
        photos.root.check()
    place = Path(config.out).expanduser() if config.out else default_place(run)
    written = Report(run, photos, config.language).write(place, config.one_file)
    return {
        "report": str(written.page),
        "mission": run.manifest.mission,
        "groups": written.groups,
        "quarantined": written.quarantined,
        "photos": dict(sorted(written.photos.items())),
        "seconds": round(time.monotonic() - began, 2),
    }
