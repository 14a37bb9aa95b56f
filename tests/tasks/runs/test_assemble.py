"""Tests of making records of groups and the outcomes of their photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tasks.records.errors import Unaccounted
from tasks.records.outcomes import Outcome
from tasks.records.photos import Group, Label
from tasks.records.reasons import Reason
from tasks.records.stage_a import QuarantineEntry
from tasks.records.work import Identity
from tasks.runs.assemble import Assembled, account, assemble
from tests.builders import (
    MISSION,
    make_bad,
    make_failed,
    make_group,
    make_identity,
    make_ledger,
    make_outcomes,
    sha,
)


def assembled(
    groups: Sequence[Group], outcomes: Mapping[str, Outcome], identity: Identity | None = None, **options: bool
) -> list[Assembled]:
    """What becomes of each group, through the ledger."""
    told = identity or make_identity()
    with make_ledger(groups, outcomes.values(), identity=told) as ledger:
        return [assemble(entry, told, ledger.works.outcome, **options) for entry in ledger.groups.entries()]


def test_a_good_group_is_a_record_with_a_provenance_line_a_photo() -> None:
    group = make_group("QC-1", 11, Label.FAIL)
    (result,) = assembled([group], make_outcomes([group]))
    assert result.record is not None
    assert result.quarantine == ()
    assert result.record.images == tuple(f"img{n}.jpg" for n in range(1, 12))
    assert list(result.record.per_image.items()) == [(f"image_{n}", f"BBU设备×{n}") for n in range(1, 12)]
    assert (result.record.group_id, result.record.mission, result.record.label) == ("QC-1", MISSION, Label.FAIL)
    assert [line.image for line in result.provenance] == list(result.record.per_image)
    for photo, line in zip(group.photos, result.provenance, strict=True):
        assert (line.name, line.key, line.sha256, line.size) == (photo.name, photo.key, photo.sha256, photo.size)
        assert line.work_key == make_identity().work_key(photo.sha256)


def test_a_group_with_bad_photos_is_quarantined_as_a_whole_with_typed_lines() -> None:
    good, broken = make_group("QC-1", 1), make_group("QC-2", 4)
    others = [make_bad(broken.photos[1], "BBU设备"), make_failed(broken.photos[3], Reason.CORRUPT_IMAGE)]
    first, second = assembled([good, broken], make_outcomes([good, broken], others))
    assert first.record is not None
    assert second.record is None
    assert second.provenance == ()
    assert [(line.kind, line.image, line.reason, line.text, line.violations) for line in second.quarantine] == [
        ("photo", "img2.jpg", Reason.SUMMARY_INVALID, "BBU设备", ("no_count",)),
        ("photo", "img4.jpg", Reason.CORRUPT_IMAGE, None, ()),
        ("group", None, Reason.PHOTO_REJECTED, None, ()),
    ]
    assert second.quarantine[2].detail == "2 of 4 photos rejected"
    assert {(line.group_id, line.label, line.mission) for line in second.quarantine} == {("QC-2", Label.PASS, MISSION)}


@pytest.mark.parametrize(
    ("marked", "ignore", "complete"), [(True, False, True), (False, False, False), (False, True, True)]
)
def test_a_record_is_complete_with_its_marker_unless_markers_are_ignored(
    marked: bool, ignore: bool, complete: bool
) -> None:
    group = make_group(marked=marked)
    (result,) = assembled([group], make_outcomes([group]), ignore_markers=ignore)
    assert result.record is not None
    assert result.record.stage_a_complete is complete


def test_a_resubmission_is_two_records_that_share_the_summary_of_a_photo() -> None:
    groups = [make_group("QC-1", label=Label.FAIL, contents="ab"), make_group("QC-1", label=Label.PASS, contents="ac")]
    results = assembled(groups, make_outcomes(groups))
    records = [result.record for result in results if result.record]
    assert [(record.group_id, record.label) for record in records] == [("QC-1", Label.FAIL), ("QC-1", Label.PASS)]
    assert results[0].provenance[0].work_key == results[1].provenance[0].work_key


def test_a_photo_without_an_outcome_is_unaccounted_for() -> None:
    groups = [make_group("QC-1"), make_group("QC-2")]
    outcomes = make_outcomes(groups)
    with make_ledger(groups, outcomes.values()) as ledger:
        assert account(ledger, make_identity()) == 4
    del outcomes[make_identity().work_key(groups[1].photos[1].sha256)]
    with (
        make_ledger(groups, outcomes.values()) as ledger,
        pytest.raises(Unaccounted, match=rf"{MISSION}/QC-2/img2\.jpg of group QC-2"),
    ):
        account(ledger, make_identity())
    with pytest.raises(Unaccounted, match=r"img2\.jpg of group QC-2"):
        assembled(groups, outcomes)


def test_outcomes_of_another_checkpoint_do_not_account_for_a_photo() -> None:
    group = make_group()
    with pytest.raises(Unaccounted):
        assembled([group], make_outcomes([group]), make_identity(checkpoint=sha("other")))


def test_what_verification_rejected_is_passed_on_as_it_is() -> None:
    group = make_group("QC-1", 2)
    line = QuarantineEntry(
        kind="group", mission=MISSION, group_id="QC-1", label=Label.PASS, reason=Reason.EMPTY_GROUP, detail="none"
    )
    with make_ledger([], rejected=[(group, [line])]) as ledger:
        (entry,) = ledger.groups.entries()
        result = assemble(entry, make_identity(), ledger.works.outcome)
    assert (result.record, result.provenance, result.quarantine) == (None, (), (line,))


def test_a_partial_group_needs_one_good_photo() -> None:
    some, none = make_group("QC-1", 2), make_group("QC-2", 2)
    others = [make_bad(some.photos[0]), make_bad(none.photos[0]), make_failed(none.photos[1])]
    first, second = assembled([some, none], make_outcomes([some, none], others), partial=True)
    assert first.record is not None
    assert first.record.images == ("img2.jpg",)
    assert list(first.record.per_image) == ["image_1"]
    assert not first.record.stage_a_complete
    assert [(line.image, line.name) for line in first.provenance] == [("image_1", "img2.jpg")]
    assert [(line.kind, line.image) for line in first.quarantine] == [("photo", "img1.jpg")]
    assert second.record is None
    assert [line.kind for line in second.quarantine] == ["photo", "photo", "group"]
    assert second.quarantine[2].key == none.folder
