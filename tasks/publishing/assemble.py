"""From groups and the outcomes of their photos to the records of a run. Knows no store.

Every photo of every group is accounted for: published, quarantined, or the run fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tasks.publishing.shards import Outcome
from tasks.records.errors import Unaccounted
from tasks.records.photos import Group, Photo
from tasks.records.reasons import Reason
from tasks.records.stage_a import Provenance, QuarantineEntry, StageARecord, Summarised
from tasks.records.work import Identity


@dataclass(frozen=True, slots=True)
class Assembled:
    """One group: its record with a provenance line a photo, or its quarantine lines."""

    record: StageARecord | None
    provenance: tuple[Provenance, ...]
    quarantine: tuple[QuarantineEntry, ...]


def assemble(
    groups: Iterable[Group], identity: Identity, outcomes: Mapping[str, Outcome], *, ignore_markers: bool = False
) -> Iterator[Assembled]:
    """One result a group, in order. A group with one bad photo is quarantined as a whole.

    `stage_a_complete` in a record says that every photo has a summary and, unless markers are ignored, that the group
    carries its marker. Raises Unaccounted for a photo without an outcome.
    """
    for group in groups:
        pairs = [(photo, _outcome(group, photo, identity, outcomes)) for photo in group.photos]
        bad = [(photo, outcome) for photo, outcome in pairs if not outcome.ok]
        if bad:
            lines = [_quarantined(group, photo, outcome) for photo, outcome in bad]
            yield Assembled(None, (), (*lines, _whole_group(group, len(bad))))
            continue
        good = [(photo, outcome) for photo, outcome in pairs if isinstance(outcome, Summarised)]
        record = StageARecord(
            group_id=group.group_id,
            mission=group.mission,
            label=group.label,
            stage_a_complete=group.marked or ignore_markers,
            images=tuple(photo.name for photo, _ in good),
            per_image={f"image_{index}": outcome.text for index, (_, outcome) in enumerate(good, start=1)},
        )
        yield Assembled(record, tuple(_provenance(group, i, p, o) for i, (p, o) in enumerate(good, start=1)), ())


def account(groups: Iterable[Group], identity: Identity, outcomes: Mapping[str, Outcome]) -> int:
    """How many photos there are, every one of them with an outcome. Raises Unaccounted for one without."""
    count = 0
    for group in groups:
        for photo in group.photos:
            _outcome(group, photo, identity, outcomes)
            count += 1
    return count


def _outcome(group: Group, photo: Photo, identity: Identity, outcomes: Mapping[str, Outcome]) -> Outcome:
    try:
        return outcomes[identity.work_key(photo.sha256)]
    except KeyError:
        raise Unaccounted(
            f"{photo.key} of group {group.group_id} was neither summarised nor quarantined; run again"
        ) from None


def _provenance(group: Group, index: int, photo: Photo, outcome: Summarised) -> Provenance:
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
        visual_tokens=outcome.visual_tokens,
        prompt_tokens=outcome.prompt_tokens,
        completion_tokens=outcome.completion_tokens,
        finish_reason=outcome.finish_reason,
        attempts=outcome.attempts,
        engine=outcome.engine,
        work_key=outcome.work_key,
    )


def _quarantined(group: Group, photo: Photo, outcome: Outcome) -> QuarantineEntry:
    answer = outcome if isinstance(outcome, Summarised) else None
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


def _whole_group(group: Group, bad: int) -> QuarantineEntry:
    return QuarantineEntry(
        kind="group",
        mission=group.mission,
        group_id=group.group_id,
        label=group.label,
        reason=Reason.PHOTO_REJECTED,
        detail=f"{bad} of {len(group.photos)} photos rejected",
    )
