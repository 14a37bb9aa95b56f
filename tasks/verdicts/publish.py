"""Publish a judgement: its files first, its manifest last. Knows no engine and no Prefect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from pydantic import BaseModel

from blocks.store import Store
from tasks.records.sealed import sealed
from tasks.records.verdicts import Decision, JudgementManifest
from tasks.runs.files import JsonlWriter, LocalFile
from tasks.runs.keys import CALIBRATION, GUIDANCE, SELECTIONS, TICKETS, TRAJECTORIES, UNJUDGED, stage_b_folder
from tasks.runs.manifest import PublishedRun, put_run, versions
from tasks.verdicts.certificates import digest_of
from tasks.verdicts.identity import judge_key, judgement_id
from tasks.verdicts.judgement import Judgement

PublishedJudgement = PublishedRun[JudgementManifest]
"""A published judgement."""


def publish(store: Store, judgement: Judgement, confirm: Callable[[], None] = lambda: None) -> PublishedJudgement:
    """Write the judgement's files, then its manifest. `confirm` is called before anything can be seen and may raise.

    Raises StoreError or what `confirm` raises.
    """
    files = [
        _file(TICKETS, judgement.tickets),
        _file(TRAJECTORIES, judgement.trajectories),
        _file(SELECTIONS, judgement.selections),
        _file(UNJUDGED, judgement.unjudged),
        _file(GUIDANCE, [judgement.guidance]),
        _file(CALIBRATION, judgement.certificates),
    ]
    tickets, key = files[0].entry.sha256, judge_key(judgement.judge)
    calibration = digest_of(judgement.certificates)
    decisions = Counter(selection.decision for selection in judgement.selections)
    manifest = sealed(
        JudgementManifest(
            run_id=judgement_id(tickets, key, calibration, None, judgement.audit_seed),
            mission=judgement.mission,
            tickets_sha256=tickets,
            judge_key=key,
            judge=judgement.judge,
            stage_a=judgement.stage_a,
            calibration=calibration,
            reviews=None,
            audit_seed=judgement.audit_seed,
            tickets=len(judgement.tickets),
            evidences=len({selection.evidence_digest for selection in judgement.selections}),
            decisions={decision: decisions[decision] for decision in Decision},
            unjudged=len(judgement.unjudged),
            versions=versions(),
            files=tuple(file.entry for file in files),
        )
    )
    confirm()
    return put_run(store, stage_b_folder(judgement.mission), manifest.run_id, manifest, files)


def _file(name: str, records: Iterable[BaseModel]) -> LocalFile:
    writer = JsonlWriter(name)
    writer.write(records)
    return writer.close()
