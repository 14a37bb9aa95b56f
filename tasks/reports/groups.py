"""One group as a page shows it: photos with their summaries, and what was decided of them and why. Knows no store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.records.reasons import Reason
from tasks.records.stage_a import Provenance, QuarantineEntry, StageARecord
from tasks.records.stage_b import Ticket, Unjudged
from tasks.records.verdicts import Clause, Decision, Selection, Trajectory, Verdict
from tasks.reports.markup import Words
from tasks.reports.names import DECISIONS, QUARANTINED, READ, of_quarantine, of_review
from tasks.verdicts.answers import read, renumbered, with_keys
from tasks.verdicts.critic import flags
from tasks.verdicts.evidence import evidence_of

State = Literal["shown", "missing", "changed", "unreadable", "none"]
"""What became of a photo: in the page, gone, other bytes than the model saw, not to be decoded, not looked for."""

_KINDS = {Decision.PASS: "pass", Decision.FAIL: "fail", Decision.REVIEW: "review"}


@dataclass(frozen=True)
class Picture:
    """A photo as the page has it: URLs of the picture in the list and of the large one. `detail` says what is wrong."""

    state: State = "none"
    small: str = ""
    large: str = ""
    detail: str = ""


@dataclass(frozen=True)
class PhotoView:
    """A photo of a group; `clauses` are the numbers of the clauses that cite it."""

    key: str
    name: str
    summary: str
    picture: Picture
    clauses: tuple[int, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What a check found: good, bad, or neither (None)."""

    good: bool | None
    words: Words
    more: str = ""


@dataclass(frozen=True)
class CandidateView:
    """A candidate, its photos numbered as the ticket has them. `broken` are the rules that its text breaks."""

    index: int
    temperature: float
    verdict: str
    confidence: str
    reason: str
    broken: tuple[str, ...]
    chosen: bool


@dataclass(frozen=True)
class GroupView:
    """A group. `kind` is pass, fail, review, read (no verdict was asked for) or quarantined; `title` names it.

    `reasons` are codes of why a person must look, or of its quarantine, to filter by.
    """

    title: str
    kind: str
    decision: Words
    photos: tuple[PhotoView, ...] = ()
    reasons: tuple[tuple[str, Words], ...] = ()
    missing: tuple[Words, ...] = ()
    selection: Selection | None = None
    findings: tuple[Finding, ...] = ()
    candidates: tuple[CandidateView, ...] = ()
    entries: tuple[QuarantineEntry, ...] = ()
    label: str = ""
    incomplete: bool = False

    @property
    def score(self) -> str:
        """How sure the judge is, in three digits; empty without a score."""
        return number(self.selection.score) if self.selection is not None and self.selection.score is not None else ""


def judged(
    selection: Selection, ticket: Ticket | None, pictures: Sequence[Picture] = (), candidates: Iterable[Trajectory] = ()
) -> GroupView:
    """A ticket that was judged. Without the ticket itself, which an incomplete folder may lack, there are no photos."""
    photos = () if ticket is None else tuple(_photos(ticket.summaries, ticket.images, pictures, selection.clauses))
    keys = () if ticket is None else tuple(photo.key for photo in evidence_of(ticket).photos)
    return GroupView(
        title=selection.ticket_id,
        kind=_KINDS[selection.decision],
        decision=DECISIONS[selection.decision],
        photos=photos,
        reasons=tuple((reason.value, of_review(reason)) for reason in selection.review_reasons),
        missing=tuple(of_quarantine(reason) for reason in ticket.missing) if ticket else (),
        selection=selection,
        findings=tuple(_findings(selection, keys)),
        candidates=tuple(_candidates(selection, keys, candidates)),
        incomplete=ticket is not None and not ticket.stage_a_complete,
    )


def summarised(record: StageARecord, pictures: Sequence[Picture], missing: Sequence[Reason] = ()) -> GroupView:
    """A group that Stage-A published, and that nobody judged."""
    return GroupView(
        title=record.group_id,
        kind="read",
        decision=READ,
        photos=tuple(_photos(record.per_image, record.images, pictures, ())),
        missing=tuple(of_quarantine(reason) for reason in missing),
        label=record.label or "",
        incomplete=not record.stage_a_complete,
    )


def quarantined(group: Unjudged, entries: Sequence[QuarantineEntry] = ()) -> GroupView:
    """A group that Stage-A quarantined; `entries` are the lines of its photos, where they are known."""
    codes = dict.fromkeys((group.reason, *(entry.reason for entry in entries)))
    return GroupView(
        title=group.group_id,
        kind="quarantined",
        decision=QUARANTINED,
        reasons=tuple((reason.value, of_quarantine(reason)) for reason in codes),
        entries=tuple(entries),
        label=entries[0].label or "" if entries else "",
    )


def places(ticket: Ticket, lines: Sequence[Provenance]) -> list[Provenance | None]:
    """Where the photos of a ticket lie, by the provenance of its group; None for one that it does not know."""
    by_photo = {(line.name, line.sha256): line for line in lines}
    return [by_photo.get((name, photo.sha256)) for name, photo in zip(ticket.images, ticket.photos, strict=True)]


def number(value: float | None) -> str:
    """Three digits; 0.9996 is not shown as certain."""
    return "–" if value is None else f"{value if value >= 1 else min(value, 0.999):.3f}"


def _photos(
    summaries: dict[str, str], names: Sequence[str], pictures: Sequence[Picture], clauses: Sequence[Clause]
) -> Iterator[PhotoView]:
    for place, ((key, summary), name) in enumerate(zip(summaries.items(), names, strict=True)):
        cited = tuple(at for at, clause in enumerate(clauses, start=1) if key in clause.cites)
        yield PhotoView(key, name, summary, pictures[place] if pictures else Picture(), cited)


def _candidates(selection: Selection, keys: Sequence[str], candidates: Iterable[Trajectory]) -> Iterator[CandidateView]:
    for one in candidates:
        reading = renumbered(read(one.text, cut_off=one.finish_reason == "length"), keys)
        yield CandidateView(
            index=one.index,
            temperature=one.temperature,
            verdict=one.verdict or "",
            confidence="" if one.confidence is None else f"{one.confidence:.2f}",
            reason=reading.reason or one.text,
            broken=one.violations,
            chosen=one.index == selection.winner,
        )


def _findings(selection: Selection, keys: Sequence[str]) -> Iterator[Finding]:
    order, removal = selection.checks.order, selection.checks.removal
    if selection.sole_photo:
        yield Finding(None, ("只有一张照片", "one photo only"))
    if order is not None:
        kept = ("照片顺序不改变判定", "another order of the photos changes nothing")
        yield Finding(
            not order.flips, ("照片顺序改变判定", "another order changes the verdict") if order.flips else kept
        )
    if removal is not None:
        zh, en = (
            f"去掉所引照片 {number(removal.without)}，只留所引照片 {number(removal.alone)}",
            (f"p(pass) without the cited photos {number(removal.without)}, with them alone {number(removal.alone)}"),
        )
        held = ("判定取决于所引照片", "the verdict rests on the cited photos")
        loose = ("判定不取决于所引照片", "the verdict does not rest on the cited photos")
        chinese, english = held if removal.holds else loose
        yield Finding(removal.holds, (f"{chinese}（{zh}）", f"{english} ({en})"))
    if selection.facts is not None:
        found, failing = selection.facts.verdict, "，".join(selection.facts.failing)
        good = None if found is None else found is selection.proposed
        told = f"（不符：{failing}）" if failing else "", f" (fails: {failing})" if failing else ""
        yield Finding(good, (f"事实核对：{found or '未知'}{told[0]}", f"facts: {_english(found)}{told[1]}"))
    if selection.critic is not None:
        yield _critic(selection, keys)


def _critic(selection: Selection, keys: Sequence[str]) -> Finding:
    """The critic names photos as the prompt does; `keys` are the ticket's own, in the order of the prompt."""
    critic, proposed = selection.critic, selection.proposed
    if critic is None or not critic.format_ok:
        return Finding(False, ("复评：无法读取", "critic: not readable"))
    action = DECISIONS[critic.recommended_action][1] if critic.recommended_action else "–"
    words = (
        f"复评：{critic.verdict}，建议{critic.recommended_action}",
        f"critic: {_english(critic.verdict)}, recommends {action}",
    )
    agrees = proposed is not None and not flags(critic, proposed)
    return Finding(
        agrees, words, "\n".join(with_keys(part, keys) for part in (critic.summary, critic.critique) if part)
    )


def _english(verdict: Verdict | None) -> str:
    return "unknown" if verdict is None else DECISIONS[Decision(verdict.value)][1]
