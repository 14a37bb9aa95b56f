"""From a group and the outcomes of its photos to the records of a run. Knows no store.

Every photo of every group is accounted for: published, quarantined, or the run fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tasks.ledger.groups import Entry, State
from tasks.ledger.ledger import Ledger
from tasks.records.errors import Unaccounted
from tasks.records.outcomes import Answered, Outcome
from tasks.records.photos import Group, Photo
from tasks.records.reasons import Reason
from tasks.records.stage_a import Provenance, QuarantineEntry, StageARecord
from tasks.records.work import Identity

OutcomeOf = Callable[[str], Outcome | None]
"""The outcome of a work key, or None."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """One group: its record with a provenance line a photo, and what of it is quarantined.

    A group with a record and quarantine lines is partial: it was published without the photos that are in the lines.
    """

    record: StageARecord | None
    provenance: tuple[Provenance, ...]
    quarantine: tuple[QuarantineEntry, ...]


def assemble(
    entry: Entry, identity: Identity, outcome_of: OutcomeOf, *, ignore_markers: bool = False, partial: bool = False
) -> Assembled:
    """What of a group is published and what is quarantined. One bad photo quarantines the whole group, or, with
    `partial`, only itself, as long as another one is good.

    `stage_a_complete` in a record says that every photo has a summary and, unless markers are ignored, that the group
    carries its marker. Raises Unaccounted for a photo without an outcome.
    """
    if entry.state is State.REJECTED:
        return Assembled(None, (), entry.lines)
    group = entry.group
    pairs = [(photo, outcome_for(group, photo, identity, outcome_of)) for photo in group.photos]
    good = [(photo, outcome) for photo, outcome in pairs if isinstance(outcome, Answered) and outcome.ok]
    bad = [_quarantined(group, photo, outcome) for photo, outcome in pairs if not outcome.ok]
    if bad and not (partial and good):
        lost = len(bad) + len(entry.lines)
        return Assembled(None, (), (*entry.lines, *bad, _whole_group(group, lost, len(pairs) + len(entry.lines))))
    record = StageARecord(
        group_id=group.group_id,
        mission=group.mission,
        label=group.label,
        stage_a_complete=(group.marked or ignore_markers) and not bad and not entry.lines,
        images=tuple(photo.name for photo, _ in good),
        per_image={f"image_{index}": outcome.text for index, (_, outcome) in enumerate(good, start=1)},
    )
    provenance = tuple(_provenance(group, index, *pair) for index, pair in enumerate(good, start=1))
    return Assembled(record, provenance, (*entry.lines, *bad))


def account(ledger: Ledger, identity: Identity) -> int:
    """How many photos the accepted groups have, every one with an outcome. Raises Unaccounted for one without."""
    count = 0
    for entry in ledger.groups.entries(State.ACCEPTED):
        for photo in entry.group.photos:
            outcome_for(entry.group, photo, identity, ledger.works.outcome)
            count += 1
    return count


def outcome_for(group: Group, photo: Photo, identity: Identity, outcome_of: OutcomeOf) -> Outcome:
    """The outcome of one photo. Raises Unaccounted if there is none."""
    outcome = outcome_of(identity.work_key(photo.sha256))
    if outcome is None:
        raise Unaccounted(f"{photo.key} of group {group.group_id} was neither summarised nor quarantined; run again")
    return outcome


def _provenance(group: Group, index: int, photo: Photo, outcome: Answered) -> Provenance:
    return Provenance(
        group_id=group.group_id,
        label=group.label,
        image=f"image_{index}",
        name=photo.name,
        key=photo.key,
        sha256=photo.sha256,
        size=photo.size,
        width=outcome.width,
        height=outcome.height,
        shown_width=outcome.shown_width,
        shown_height=outcome.shown_height,
        scaled_by=outcome.scaled_by,
        visual_tokens=outcome.visual_tokens,
        prompt_tokens=outcome.prompt_tokens,
        completion_tokens=outcome.completion_tokens,
        finish_reason=outcome.finish_reason,
        attempts=outcome.attempts,
        engine=outcome.engine,
        work_key=outcome.work_key,
    )


def _quarantined(group: Group, photo: Photo, outcome: Outcome) -> QuarantineEntry:
    answer = outcome if isinstance(outcome, Answered) else None
    return QuarantineEntry(
        kind="photo",
        mission=group.mission,
        group_id=group.group_id,
        label=group.label,
        image=photo.name,
        key=photo.key,
        reason=outcome.reason or Reason.SUMMARY_INVALID,
        detail=outcome.detail or "",
        text=answer.text if answer else None,
        violations=answer.violations if answer else (),
    )


def _whole_group(group: Group, bad: int, photos: int) -> QuarantineEntry:
    return QuarantineEntry(
        kind="group",
        mission=group.mission,
        group_id=group.group_id,
        label=group.label,
        key=group.folder,
        reason=Reason.PHOTO_REJECTED,
        detail=f"{bad} of {photos} photos rejected",
    )
