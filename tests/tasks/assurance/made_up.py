"""Judgements made up for tests: tickets, what was selected, candidates, labels. Knows no test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tasks.records.labels import TicketLabel
from tasks.records.stage_b import Ticket, TicketPhoto
from tasks.records.verdicts import (
    Checks,
    Clause,
    CriticReading,
    Decision,
    JudgementManifest,
    ReviewReason,
    Selection,
    Trajectory,
    Verdict,
    Votes,
)
from tests.builders import MISSION, sha

PASS, FAIL = Verdict.PASS, Verdict.FAIL


def make_clause(check: str = "ok", text: str = "有BBU设备", cites: tuple[str, ...] = ("image_1",)) -> Clause:
    """A clause of a reason, checked."""
    return Clause(text=text, cites=cites if check != "uncited" else (), entries=(), check=check)


def make_critic(verdict: Verdict, readable: bool = True) -> CriticReading:
    """A critic whose own verdict is this one."""
    if not readable:
        return CriticReading(format_ok=False)
    return CriticReading(
        format_ok=True,
        summary="有BBU设备",
        critique="依据成立",
        verdict=verdict,
        needs_recheck=False,
        evidence_sufficiency=True,
        recommended_action=Decision(verdict.value),
    )


def make_selection(
    number: int = 1,
    proposed: Verdict | None = PASS,
    score: float | None = 0.97,
    reasons: Sequence[ReviewReason] = (),
    **changes: Any,
) -> Selection:
    """What becomes of the ticket of this number; automatic, unless there are reasons against it."""
    given_for = 7 if proposed else 3
    votes = Votes(
        passed=given_for if proposed is PASS else 3 if proposed is None else 0,
        failed=given_for if proposed is FAIL else 3 if proposed is None else 0,
        none=0 if proposed else 1,
    )
    review = bool(reasons) or proposed is None
    told: dict[str, Any] = {
        "ticket_id": f"QC-{number:04d}#1",
        "group_id": f"QC-{number:04d}",
        "mission": MISSION,
        "evidence_digest": sha(f"evidence {number}"),
        "judge_key": sha("judge"),
        "decision": Decision.REVIEW if review or proposed is None else Decision(proposed.value),
        "proposed": proposed,
        "score": score if proposed else None,
        "p_pass": score if proposed is PASS or score is None else 1 - score,
        "agreement": given_for / 7,
        "votes": votes,
        "asked": 7,
        "winner": 0 if proposed else None,
        "reason": "有BBU设备（image_1）" if proposed else None,
        "clauses": (make_clause(),) if proposed else (),
        "review_reasons": tuple(reasons) or (() if proposed else (ReviewReason.TIE,)),
        "threshold": None,
        "critic": None,
        "facts": None,
        "checks": Checks(),
        "sole_photo": False,
        "audit": None,
        "reused_from": None,
    }
    return Selection(**{**told, **changes})


def make_trajectory(selection: Selection, index: int = 0, confidence: float | None = 0.9, **changes: Any) -> Trajectory:
    """A candidate of a ticket, without a fault."""
    told: dict[str, Any] = {
        "evidence_digest": selection.evidence_digest,
        "candidate_key": sha(f"{selection.evidence_digest} {index}"),
        "index": index,
        "cell": 0,
        "sample": 0,
        "temperature": 0.0,
        "text": "Verdict: 通过\nReason: 有BBU设备（image_1）\nConfidence: 0.90",
        "finish_reason": "stop",
        "violations": (),
        "verdict": selection.proposed,
        "reason": "有BBU设备（image_1）",
        "confidence": confidence,
        "prompt_tokens": 300,
        "completion_tokens": 30,
    }
    return Trajectory(**{**told, **changes})


def make_label(selection: Selection, label: Verdict) -> TicketLabel:
    """What somebody who knows says of a ticket."""
    return TicketLabel(ticket_id=selection.ticket_id, label=label, source="folder")


def make_ticket(selection: Selection, summaries: Sequence[str] = ("BBU设备/品牌:华为×1", "无关图片")) -> Ticket:
    """The ticket that was judged."""
    return Ticket(
        ticket_id=selection.ticket_id,
        group_id=selection.group_id,
        mission=selection.mission,
        stage_a_complete=True,
        images=tuple(f"IMG_{number}.jpg" for number in range(1, len(summaries) + 1)),
        photos=tuple(
            TicketPhoto(sha256=sha(f"{selection.ticket_id} {number}"), work_key=sha("work"))
            for number in range(len(summaries))
        ),
        summaries={f"image_{number}": text for number, text in enumerate(summaries, start=1)},
    )


def make_manifest(selections: Iterable[Selection], unjudged: int = 0) -> JudgementManifest:
    """The manifest of a judgement."""
    told = list(selections)
    return JudgementManifest(
        run_id="0123456789abcdef",
        mission=MISSION,
        tickets_sha256=sha("tickets"),
        judge_key=sha("judge"),
        judge={"checkpoint": sha("checkpoint"), "gates": {"uncalibrated": "allow"}},
        stage_a=sha("stage a"),
        calibration=None,
        reviews=None,
        audit_seed=0,
        tickets=len(told),
        evidences=len({one.evidence_digest for one in told}),
        decisions={decision: sum(one.decision is decision for one in told) for decision in Decision},
        unjudged=unjudged,
        versions={"python": "3.11"},
        files=(),
    )
