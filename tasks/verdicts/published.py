"""A mission's judgements as they were published, and what they propose. Opens no label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blocks.store import Store
from tasks.records.certificates import certificate_key
from tasks.records.stage_b import Ticket
from tasks.records.verdicts import Decision, JudgementManifest, ReviewReason, Selection, Verdict
from tasks.runs.keys import MANIFEST, SELECTIONS, TICKETS, stage_b_folder
from tasks.runs.verified_files import entry_of, read_canonical, reread
from tasks.verdicts.audit import by_lot, verdict_key

GATED_BY_SCORE = frozenset({ReviewReason.BELOW_THRESHOLD, ReviewReason.UNCALIBRATED})
"""Reasons that say no more than that the score is not known to be high enough."""

_IS_JUDGEMENT = b'"kind": "judgement"'


@dataclass(frozen=True)
class Found:
    """A published judgement, and its manifest's key."""

    key: str
    manifest: JudgementManifest

    @property
    def certificate_key(self) -> str:
        """What a certificate for it is for."""
        return certificate_key(self.manifest.judge_key, self.manifest.stage_a)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A ticket's proposed verdict. `waits` says that nothing but a threshold for its score can keep it from going out;
    `audit` is how likely it was to be drawn for the audit that it is drawn for, at `threshold`; `by_lot` that it was as
    likely as any other, whatever their runs."""

    ticket_id: str
    group_id: str
    answer_key: str
    evidence_digest: str
    verdict: Verdict
    score: float
    waits: bool
    audit: float | None
    threshold: float | None
    by_lot: bool


def judgements(store: Store, mission: str) -> list[Found]:
    """All judgements of a mission, the oldest first. Raises ManifestError, RecordError or StoreError."""
    infos = [info for info in store.list(f"{stage_b_folder(mission)}/runs/") if info.key.endswith(f"/{MANIFEST}")]
    infos.sort(key=lambda info: (info.modified, info.key))
    keys = [info.key for info in infos if _IS_JUDGEMENT in store.read(info.key)]
    return [Found(key, read_canonical(JudgementManifest, store, key, None)[0]) for key in keys]


def proposals(store: Store, found: Iterable[Found]) -> Iterator[Proposal]:
    """What these judgements propose, one after another, in the order of their tickets.

    Raises ManifestError, RecordError or StoreError.
    """
    for one in found:
        files = one.manifest.files
        tickets = reread(Ticket, store, one.key, entry_of(files, TICKETS, store, one.key))
        selections = reread(Selection, store, one.key, entry_of(files, SELECTIONS, store, one.key))
        for ticket, selection in zip(tickets, selections, strict=True):
            if selection.proposed is not None and selection.score is not None:
                yield _proposal(ticket, selection, selection.proposed, selection.score, one.manifest.audit_seed)


def _proposal(ticket: Ticket, selection: Selection, verdict: Verdict, score: float, seed: int) -> Proposal:
    return Proposal(
        ticket_id=selection.ticket_id,
        group_id=selection.group_id,
        answer_key=ticket.answer_key,
        evidence_digest=selection.evidence_digest,
        verdict=verdict,
        score=score,
        waits=GATED_BY_SCORE.issuperset(selection.review_reasons) and selection.reused_from is None,
        audit=selection.audit if selection.decision is not Decision.REVIEW else None,
        threshold=selection.threshold,
        by_lot=by_lot(verdict_key(selection.evidence_digest, selection.judge_key), seed),
    )
