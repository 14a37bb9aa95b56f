"""Marks for answers to tickets and for opinions on candidates, counted with Wilson's intervals. Knows no model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from infra.demo.training.critics import RIGHT, WRONG_REASON, WRONG_VERDICT, Candidate
from infra.demo.training.tickets import Ticket
from infra.demo.verdicts import FAIL, PASS
from tasks.assurance import rates
from tasks.records.verdicts import CriticReading
from tasks.verdicts.answers import Reading, read
from tasks.verdicts.critic import read_critic


def share(flags: Iterable[bool]) -> dict[str, Any]:
    """How many are true, of how many, the share, and Wilson's interval of 95 % around it; nulls of none."""
    rate = rates.share(flags)
    told = {"share": rate.value, "low": rate.low, "high": rate.high}
    rounded = {name: None if value is None else round(value, 4) for name, value in told.items()}
    return {"right": rate.count, "of": rate.of, **rounded}


def is_right(ticket: Ticket, reading: Reading) -> bool:
    """Whether the verdict is that of the rules."""
    return reading.verdict is not None and reading.verdict == ticket.outcome.verdict


def marks(tickets: Sequence[Ticket], texts: Sequence[str]) -> dict[str, Any]:
    """What is right of answers: form, verdicts, what reasons cite, whole reasons, doubt where evidence is missing."""
    pairs = [(ticket, read(text)) for ticket, text in zip(tickets, texts, strict=True)]
    clear = [(ticket, told) for ticket, told in pairs if ticket.outcome.verdict]
    few = [(ticket, told) for ticket, told in clear if len(ticket.photos) <= 4]
    unclear = [(ticket, told) for ticket, told in pairs if not ticket.outcome.verdict]
    missions = sorted({ticket.sheet.mission for ticket in tickets})
    return {
        "tickets": len(pairs),
        "format": share(not told.violations for _, told in pairs),
        "verdict, 1 to 4 photos": share(is_right(*pair) for pair in few),
        **{
            f"verdict, 1 to 4 photos, {mission}": share(
                is_right(*pair) for pair in few if pair[0].sheet.mission == mission
            )
            for mission in missions
        },
        "verdict, 5 to 8 photos": share(is_right(*pair) for pair in clear if len(pair[0].photos) > 4),
        "wrongly passed": share(told.verdict == PASS for ticket, told in clear if ticket.outcome.verdict == FAIL),
        "wrongly failed": share(told.verdict == FAIL for ticket, told in clear if ticket.outcome.verdict == PASS),
        "photos cited, 1 to 4 photos": share(
            _cites(ticket.outcome.reason) == _cites(told.reason) for ticket, told in few
        ),
        "photos cited": share(_cites(ticket.outcome.reason) == _cites(told.reason) for ticket, told in clear),
        "what is said is on every photo cited": share(_shown(*pair) for pair in clear),
        "whole reason, 1 to 4 photos": share(ticket.outcome.reason == told.reason for ticket, told in few),
        "whole reason": share(ticket.outcome.reason == told.reason for ticket, told in clear),
        "confidence of at least 0.9": share((told.confidence or 0) >= 0.9 for _, told in clear),
        "missing evidence: says what": share(ticket.outcome.reason == told.reason for ticket, told in unclear),
        "missing evidence: confidence below 0.7": share((told.confidence or 1) < 0.7 for _, told in unclear),
    }


def _cites(reason: str | None) -> list[str]:
    """What each clause cites."""
    return re.findall("（([^（）]*)）", reason or "")


def _shown(ticket: Ticket, told: Reading) -> bool:
    """Whether each clause is a fault or evidence that all the photos show which it cites."""
    there = {f"image_{number}": photo.faults | photo.shows for number, photo in enumerate(ticket.photos, 1)}
    return bool(told.clauses) and all(
        clause.cites and all(clause.text in there.get(cited, ()) for cited in clause.cites) for clause in told.clauses
    )


def pair_marks(pairs: Sequence[tuple[Ticket, str, Ticket, str]]) -> dict[str, Any]:
    """Tickets that one line of guidance turns around: both verdicts right."""
    both = [is_right(one, read(a)) and is_right(other, read(b)) for one, a, other, b in pairs]
    missions = sorted({one.sheet.mission for one, *_ in pairs})
    return {
        "all": share(both),
        **{
            mission: share(ok for ok, pair in zip(both, pairs, strict=True) if pair[0].sheet.mission == mission)
            for mission in missions
        },
    }


def sample_marks(tickets: Sequence[Ticket], texts: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Several samples of each ticket: form, and whether their verdicts differ."""
    told = [[read(text) for text in some] for some in texts]
    differ = [len({one.verdict for one in some if one.verdict}) > 1 for some in told]
    clear = [bool(ticket.outcome.verdict) for ticket in tickets]
    return {
        "format": share(not one.violations for some in told for one in some),
        "evidence: differ": share(d for d, c in zip(differ, clear, strict=True) if c),
        "missing evidence: differ": share(d for d, c in zip(differ, clear, strict=True) if not c),
    }


def critic_marks(tickets: Sequence[Ticket], candidates: Sequence[Candidate], texts: Sequence[str]) -> dict[str, Any]:
    """Opinions: strict JSON, verdicts, and how much more often what is flagged is wrong."""
    told = [read_critic(text) for text in texts]
    rows = [row for row in zip(tickets, candidates, told, strict=True) if row[0].outcome.verdict]
    by_kind = {
        kind: share(_flagged(one) for _, candidate, one in rows if candidate.critique == kind)
        for kind in (RIGHT, WRONG_VERDICT, WRONG_REASON)
    }
    return {
        "strict JSON": share(one.format_ok for one in told),
        "verdict": share(one.verdict == ticket.outcome.verdict for ticket, _, one in rows),
        "wrong, of those flagged": share(candidate.wrong for _, candidate, one in rows if _flagged(one)),
        "wrong, of those not flagged": share(candidate.wrong for _, candidate, one in rows if not _flagged(one)),
        "flagged, by what is right of the candidate": by_kind,
        "missing evidence: says so": share(
            one.evidence_sufficiency is False
            for ticket, one in zip(tickets, told, strict=True)
            if not ticket.outcome.verdict
        ),
    }


def _flagged(one: CriticReading) -> bool:
    return one.needs_recheck is not False
