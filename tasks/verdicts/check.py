"""Check a published judgement: every digest, every record, and that nothing in it contradicts anything else."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from blocks.store import Store
from tasks.records.certificates import Certificate, certificate_key
from tasks.records.errors import ManifestError
from tasks.records.guidance import Guidance
from tasks.records.sealed import check_seal
from tasks.records.stage_b import Ticket, Unjudged
from tasks.records.verdicts import Decision, JudgementManifest, Selection, Trajectory, Verdict
from tasks.runs.check import check_layout, check_names
from tasks.runs.keys import CALIBRATION, GUIDANCE, SELECTIONS, TICKETS, TRAJECTORIES, UNJUDGED
from tasks.runs.verified_files import Checked, entry_of, read_canonical, reread
from tasks.verdicts.audit import draw, is_automatic, verdict_key
from tasks.verdicts.certificates import digest_of, thresholds
from tasks.verdicts.evidence import evidence_of
from tasks.verdicts.identity import judge_key, judgement_id

_FILES: dict[str, type[BaseModel]] = {
    TICKETS: Ticket,
    TRAJECTORIES: Trajectory,
    SELECTIONS: Selection,
    UNJUDGED: Unjudged,
    GUIDANCE: Guidance,
    CALIBRATION: Certificate,
}


def check_judgement(store: Store, key: str, expected: str | None = None) -> Checked[JudgementManifest]:
    """Check the judgement behind a manifest's key; `expected` is the manifest's sha256, if known.

    `metrics.json` and `report.html` beside it change when labels come, are not in the manifest, and are not looked at.
    Raises ManifestError or RecordError naming the object (and line), StoreError if it cannot be read.
    """
    manifest, digest = read_canonical(JudgementManifest, store, key, expected)
    uri = store.uri_of(key)
    check_seal(manifest, uri)
    check_layout(manifest.mission, manifest.run_id, key, store)
    check_names(manifest.files, tuple(_FILES), store, key)
    for name, kind in _FILES.items():
        for _ in reread(kind, store, key, entry_of(manifest.files, name, store, key)):
            pass  # the file that was changed is at fault, not the one that would be read beside it
    tickets = entry_of(manifest.files, TICKETS, store, key).sha256
    wanted = judgement_id(tickets, manifest.judge_key, manifest.calibration, manifest.reviews, manifest.audit_seed)
    if (judge_key(manifest.judge), tickets, wanted) != (manifest.judge_key, manifest.tickets_sha256, manifest.run_id):
        raise ManifestError(f"{uri} was changed: tickets and judge do not give its keys")
    _check_selections(store, key, manifest, thresholds(_certificates(store, key, manifest)))
    return Checked.of("stage_b", manifest, digest, manifest.files)


def _certificates(store: Store, key: str, manifest: JudgementManifest) -> list[Certificate]:
    """The certificates of a judgement, which must be for its judge on its Stage-A's texts."""
    told = list(reread(Certificate, store, key, entry_of(manifest.files, CALIBRATION, store, key)))
    wanted = certificate_key(manifest.judge_key, manifest.stage_a)
    if digest_of(told) != manifest.calibration or any(one.certificate_key != wanted for one in told):
        place = f"{key.rpartition('/')[0]}/{CALIBRATION}"
        raise ManifestError(f"{store.uri_of(place)} is not what {store.uri_of(key)} is calibrated by")
    return told


def _check_selections(store: Store, key: str, manifest: JudgementManifest, certified: Mapping[Verdict, float]) -> None:
    folder = store.uri_of(key.rpartition("/")[0])
    tickets = reread(Ticket, store, key, entry_of(manifest.files, TICKETS, store, key))
    decisions = dict.fromkeys(Decision, 0)
    evidences = set()
    automatic: dict[str, float | None] = {}
    selections = reread(Selection, store, key, entry_of(manifest.files, SELECTIONS, store, key))
    for number, selection in enumerate(selections, start=1):
        place = f"{folder}/{SELECTIONS}, line {number}"
        ticket = next(tickets, None)
        if ticket is None or ticket.ticket_id != selection.ticket_id:
            raise ManifestError(f"{place}: {selection.ticket_id} is not the ticket in its place")
        if (evidence_of(ticket).digest, manifest.judge_key) != (selection.evidence_digest, selection.judge_key):
            raise ManifestError(f"{place}: evidence and judge are not those of the ticket and the run")
        if (selection.decision is Decision.REVIEW) != bool(selection.review_reasons):
            raise ManifestError(f"{place}: a person looks if and only if there is a reason")
        if selection.decision is not Decision.REVIEW and selection.decision.value != selection.proposed:
            raise ManifestError(f"{place}: {selection.decision} was not proposed")
        if selection.threshold != (certified.get(selection.proposed) if selection.proposed else None):
            raise ManifestError(f"{place}: the threshold is not the certified one")
        of = verdict_key(selection.evidence_digest, selection.judge_key)
        if is_automatic(selection):
            automatic[of] = selection.audit
        elif selection.audit is not None:
            raise ManifestError(f"{place}: an audit is of an automatic verdict, and this is none")
        decisions[selection.decision] += 1
        evidences.add(selection.evidence_digest)
    if (ticket := next(tickets, None)) is not None:
        raise ManifestError(f"{folder}/{SELECTIONS} has no line for {ticket.ticket_id}")
    drawn = draw(automatic, manifest.audit_seed)
    if automatic != {of: drawn.get(of) for of in automatic}:
        raise ManifestError(f"{folder}/{SELECTIONS}: other verdicts are audited than the seed draws")
    unjudged = entry_of(manifest.files, UNJUDGED, store, key).records
    told = (manifest.tickets, manifest.evidences, dict(manifest.decisions), manifest.unjudged)
    if told != (there := (sum(decisions.values()), len(evidences), decisions, unjudged)):
        raise ManifestError(f"{store.uri_of(key)} counts {told}; there are {there}")
