"""Tests of verification: what is wrong is recorded with a typed reason and costs its own group only."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from blocks.errors import StoreDenied, StoreUnavailable
from blocks.local_store import LocalStore
from blocks.store import Store
from configs.parts import InputConfig
from tasks.inputs.discover import discover
from tasks.inputs.order import natural_key
from tasks.inputs.verify import InputReport, verify
from tasks.ledger.groups import State
from tasks.ledger.ledger import Ledger
from tasks.records.jsonl import to_line
from tasks.records.photos import Group
from tasks.records.reasons import Reason
from tasks.records.stage_a import QuarantineEntry
from tests.builders import MISSION, make_photo_bytes, put_photos

BAD_PHOTOS: dict[str, tuple[bytes, Reason]] = {
    "empty.jpg": (b"", Reason.EMPTY_FILE),
    "text.jpg": (b"not a picture", Reason.NOT_AN_IMAGE),
    "gif.png": (make_photo_bytes("GIF"), Reason.UNSUPPORTED_FORMAT),
    "scan.tif": (make_photo_bytes("TIFF", (32, 24)), Reason.UNSUPPORTED_FORMAT),
    "raw.dng": (make_photo_bytes("TIFF", (32, 24)), Reason.UNSUPPORTED_FORMAT),
    "heic.jpg": (b"\x00\x00\x00\x18ftypheic" + bytes(40), Reason.CORRUPT_IMAGE),
    "img1.heic": (b"not a picture", Reason.NOT_AN_IMAGE),
    "unnamed": (make_photo_bytes()[:80], Reason.TRUNCATED_IMAGE),
    "header.jpg": (make_photo_bytes()[:80], Reason.TRUNCATED_IMAGE),
    "large.jpg": (make_photo_bytes(size=(300, 300)), Reason.TOO_MANY_PIXELS),
    "heavy.jpg": (make_photo_bytes() + bytes(5000), Reason.TOO_MANY_BYTES),
    "small.png": (make_photo_bytes("PNG", (15, 40)), Reason.TOO_SMALL),
    "thin.png": (make_photo_bytes("PNG", (16, 400)), Reason.TOO_ELONGATED),
}
STRICT_LIMITS: dict[str, Any] = {"max_decode_pixels": 80_000, "max_file_bytes": 4096, "max_aspect": 20}


@dataclass(frozen=True)
class Checked:
    """What verification said, and what is in the ledger then."""

    report: InputReport
    groups: list[Group]
    rejected: list[QuarantineEntry]

    @property
    def photos(self) -> int:
        """Photos of accepted groups."""
        return sum(len(group.photos) for group in self.groups)


def check(
    root: Path | Store,
    *,
    headers: bool = True,
    partial: bool = False,
    between: Callable[[], None] = lambda: None,
    **config: Any,
) -> Checked:
    """Discover and verify what lies under a directory; `between` runs between the two."""
    store = LocalStore(root) if isinstance(root, Path) else root
    counted: list[None] = []
    with Ledger() as ledger:
        found = discover(store, MISSION, ledger.groups)
        between()
        report = verify(
            store,
            ledger.groups,
            found,
            InputConfig(**config),
            headers=headers,
            partial=partial,
            on_photo=lambda: counted.append(None),
        )
        assert len(counted) == found.photos + found.unknown
        groups = [entry.group for entry in ledger.groups.entries(State.ACCEPTED)]
        lines = [line for entry in ledger.groups.entries() for line in entry.lines]
    assert (report.groups, report.photos) == (len(groups), sum(len(group.photos) for group in groups))
    assert report.rejected_groups == sum(line.kind == "group" for line in lines)
    assert report.examples == tuple(lines[:20])
    return Checked(report, groups, lines)


def reasons(report: Checked) -> list[tuple[str, str, str | None, Reason]]:
    """The rejected lines in short."""
    return [(entry.kind, entry.group_id, entry.image, entry.reason) for entry in report.rejected]


def test_good_groups_are_accepted_with_digest_and_upright_size(tmp_path: Path) -> None:
    put_photos(tmp_path / MISSION, "审核通过/QC-1", ["img1.jpg", "img2.png"])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    sideways = make_photo_bytes(exif=exif)
    (tmp_path / MISSION / "审核通过/QC-1/img3.jpg").write_bytes(sideways)
    report = check(tmp_path)
    assert report.rejected == []
    assert (len(report.groups), report.photos, report.report.rejected_photos) == (1, 3, 0)
    for photo in report.groups[0].photos:
        data = (tmp_path / photo.key).read_bytes()
        assert (photo.sha256, photo.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert [(photo.width, photo.height) for photo in report.groups[0].photos] == [(64, 48), (64, 48), (48, 64)]


@pytest.mark.parametrize("name", BAD_PHOTOS)
def test_one_bad_photo_costs_its_own_group_and_says_why(tmp_path: Path, name: str) -> None:
    data, reason = BAD_PHOTOS[name]
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg", "b.jpg"], seed=1)
    put_photos(tmp_path / MISSION, "QC-2", ["a.jpg"], seed=3)
    (tmp_path / MISSION / "QC-1" / name).write_bytes(data)
    report = check(tmp_path, **STRICT_LIMITS)
    assert [group.group_id for group in report.groups] == ["QC-2"]
    assert reasons(report) == [("photo", "QC-1", name, reason), ("group", "QC-1", None, Reason.PHOTO_REJECTED)]
    assert report.rejected[0].key == f"{MISSION}/QC-1/{name}"
    assert report.rejected[1].detail == "1 of 3 photos rejected"
    assert report.rejected[1].key == f"{MISSION}/QC-1"
    assert report.report.rejected_photos == 3


def test_every_bad_photo_of_a_group_is_named_in_the_order_of_the_photos(tmp_path: Path) -> None:
    folder = tmp_path / MISSION / "审核不通过" / "QC-1"
    folder.mkdir(parents=True)
    for name, (data, _) in BAD_PHOTOS.items():
        (folder / name).write_bytes(data)
    report = check(tmp_path, **STRICT_LIMITS)
    *photos, group = report.rejected
    assert {entry.image: entry.reason for entry in photos} == {name: reason for name, (_, reason) in BAD_PHOTOS.items()}
    assert [entry.image for entry in photos] == sorted(BAD_PHOTOS, key=natural_key)
    assert group.detail == f"{len(BAD_PHOTOS)} of {len(BAD_PHOTOS)} photos rejected"
    assert {entry.label for entry in report.rejected} == {"审核不通过"}


def test_without_headers_photos_are_hashed_and_not_judged(tmp_path: Path) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg"])
    (tmp_path / MISSION / "QC-1" / "text.jpg").write_bytes(b"not a picture")
    report = check(tmp_path, headers=False, markers="required", duplicates="reject")
    good, bad = report.groups[0].photos
    assert (good.width, good.height) == (64, 48)
    assert (bad.width, bad.height, bad.sha256) == (0, 0, hashlib.sha256(b"not a picture").hexdigest())
    assert report.rejected == []


def write(root: Path, group: str, **files: bytes) -> None:
    """Files of a group; `__` in a name stands for a dot."""
    folder = root / MISSION / group
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)


@pytest.mark.parametrize("headers", [True, False])
def test_a_photo_is_read_whatever_it_is_called_and_a_name_that_says_another_format_is_noted(
    tmp_path: Path, headers: bool
) -> None:
    write(tmp_path, "QC-1", a__png=make_photo_bytes("JPEG"), b__jpg=make_photo_bytes("PNG"), c__gif=make_photo_bytes())
    write(tmp_path, "QC-1", d__jfif=make_photo_bytes(), e__webp=make_photo_bytes("WEBP"), mmexport1=make_photo_bytes())
    write(tmp_path, "QC-2", a__jpg=make_photo_bytes())
    report = check(tmp_path, headers=headers)
    assert report.rejected == []
    assert [photo.name for photo in report.groups[0].photos] == [
        "a.png",
        "b.jpg",
        "c.gif",
        "d.jfif",
        "e.webp",
        "mmexport1",
    ]
    (note,) = report.report.notes
    assert note == (
        f"photos of another format than their names say: 4, such as {MISSION}/QC-1/a.png (JPEG); they are read"
    )


def test_three_photos_a_heic_and_a_jfif_are_five_photos(tmp_path: Path) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["img1.jpg", "img2.jpg", "img3.jpg"])
    write(tmp_path, "QC-1", img4__heic=b"\0\0\0\x18ftypheic" + bytes(40), img5__jfif=make_photo_bytes(seed=9))
    report = check(tmp_path)
    assert reasons(report)[0] == ("photo", "QC-1", "img4.heic", Reason.CORRUPT_IMAGE)
    assert reasons(report)[1] == ("group", "QC-1", None, Reason.PHOTO_REJECTED)
    assert report.rejected[1].detail == "1 of 5 photos rejected"


def test_a_file_that_is_no_picture_by_name_or_content_is_ignored_and_counted(tmp_path: Path) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg"])
    write(tmp_path, "QC-1", done=b"", notes=b"no picture", way__mp4=b"\0\0\0\x18ftypmp42", Thumbs__db=b"\xd0\xcf")
    report = check(tmp_path)
    assert [len(group.photos) for group in report.groups] == [1]
    assert (report.report.ignored, report.report.notes) == (4, ())
    assert report.report.ignored_kinds == (
        f"video or sound: 1, such as {MISSION}/QC-1/way.mp4; file of a system or a program: 1, such as "
        f"{MISSION}/QC-1/Thumbs.db; other file: 2, such as {MISSION}/QC-1/done"
    )
    assert report.report.told == (f"files that are no photos of a group: {report.report.ignored_kinds}",)


@pytest.mark.parametrize("headers", [True, False])
def test_groups_in_a_folder_that_is_nearly_a_label_are_rejected_with_what_it_is_near_to(
    tmp_path: Path, headers: bool
) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg"])
    put_photos(tmp_path / MISSION, "审核 通过/QC-2", ["a.jpg", "b.jpg"])
    report = check(tmp_path, headers=headers)
    assert [group.group_id for group in report.groups] == ["QC-1"]
    assert reasons(report) == [("group", "QC-2", None, Reason.UNCLEAR_LABEL)]
    assert report.rejected[0].detail == "the folder “审核 通过” is no label; if it is 审核通过, rename it"
    assert "is nearly 审核通过 and does not count" in report.report.notes[0]


@pytest.mark.parametrize(
    "name", ["stage_a_complete.txt", "Stage_A_Complete", "stage-a-complete", "stage_a_complete (1)"]
)
def test_a_marker_with_nearly_its_name_does_not_count_and_is_told(tmp_path: Path, name: str) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg"])
    (tmp_path / MISSION / "QC-1" / name).touch()
    (tmp_path / MISSION / "QC-1" / "._stage_a_complete").touch()
    report = check(tmp_path)
    assert [group.marked for group in report.groups] == [False]
    (note,) = report.report.notes
    assert note == (
        f"markers that are nearly called stage_a_complete: 1, such as {MISSION}/QC-1/{name}; they do not count; "
        "rename them"
    )
    (line,) = check(tmp_path, markers="required").rejected
    assert line.reason is Reason.MARKER_MISSING
    assert f"{name} is nearly called so" in line.detail


@pytest.mark.parametrize("headers", [True, False])
def test_an_empty_group_is_always_rejected(tmp_path: Path, headers: bool) -> None:
    (tmp_path / MISSION / "QC-1").mkdir(parents=True)
    assert reasons(check(tmp_path, headers=headers)) == [("group", "QC-1", None, Reason.EMPTY_GROUP)]


@pytest.mark.parametrize(("markers", "accepted"), [("required", ["QC-1"]), ("optional", ["QC-1", "QC-2"])])
def test_a_marker_can_be_required(tmp_path: Path, markers: str, accepted: list[str]) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg"])
    put_photos(tmp_path / MISSION, "QC-2", ["a.jpg"])
    (tmp_path / MISSION / "QC-1" / "stage_a_complete").touch()
    report = check(tmp_path, markers=markers)
    assert [group.group_id for group in report.groups] == accepted
    assert [entry.reason for entry in report.rejected] == [Reason.MARKER_MISSING] * (2 - len(accepted))


def test_the_same_photo_twice_in_a_group_can_be_refused(tmp_path: Path) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg"])
    put_photos(tmp_path / MISSION, "QC-2", ["a.jpg"])
    (tmp_path / MISSION / "QC-1" / "b.jpg").write_bytes((tmp_path / MISSION / "QC-1" / "a.jpg").read_bytes())
    assert len(check(tmp_path).groups) == 2
    report = check(tmp_path, duplicates="reject")
    assert [group.group_id for group in report.groups] == ["QC-2"]
    assert [(entry.reason, entry.detail) for entry in report.rejected] == [
        (Reason.DUPLICATE_PHOTO, "b.jpg has the same bytes as a.jpg")
    ]


@pytest.mark.parametrize("name", [b"img\xff.jpg", b"img\n1.jpg", b"img\x1b[31m.jpg", "img\x85.jpg".encode()])
def test_a_photo_whose_name_cannot_be_published_is_rejected(tmp_path: Path, name: bytes) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg"])
    try:
        with open(os.fsencode(tmp_path / MISSION / "QC-1") + b"/" + name, "wb") as file:
            file.write(make_photo_bytes(seed=5))
    except OSError:
        pytest.skip("this file system refuses such names")
    report = check(tmp_path)
    assert [entry.reason for entry in report.rejected] == [Reason.BAD_NAME, Reason.PHOTO_REJECTED]
    assert all(to_line(entry).count(b"\n") == 1 for entry in report.rejected)


@pytest.mark.parametrize("name", [b"QC-\xfe", b"QC-\n1"])
def test_a_group_whose_name_cannot_be_published_is_rejected(tmp_path: Path, name: bytes) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg"])
    try:
        os.makedirs(os.fsencode(tmp_path / MISSION) + b"/" + name)
    except OSError:
        pytest.skip("this file system refuses such names")
    with open(os.fsencode(tmp_path / MISSION) + b"/" + name + b"/a.jpg", "wb") as file:
        file.write(make_photo_bytes(seed=5))
    report = check(tmp_path)
    assert [group.group_id for group in report.groups] == ["QC-1"]
    assert Reason.BAD_NAME in {entry.reason for entry in report.rejected}
    assert all(to_line(entry) for entry in report.rejected)


class Troubled(LocalStore):
    """Fails to read one photo, in a given way."""

    failure: Exception = StoreDenied("refused", uri="x")

    def read(self, key: str) -> bytes:
        """As the store does, but for one photo."""
        if key.endswith("bad.jpg"):
            raise self.failure
        return super().read(key)


def test_a_photo_that_the_store_refuses_is_unreadable(tmp_path: Path) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg", "bad.jpg"])
    store = Troubled(tmp_path)
    report = check(store)
    assert reasons(report)[0] == ("photo", "QC-1", "bad.jpg", Reason.UNREADABLE)


def test_a_photo_that_goes_away_after_the_listing_is_unreadable(tmp_path: Path) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg", "b.jpg"])
    report = check(tmp_path, between=(tmp_path / MISSION / "QC-1" / "b.jpg").unlink)
    assert reasons(report)[0][2:] == ("b.jpg", Reason.UNREADABLE)


def test_a_store_that_is_away_ends_the_verification(tmp_path: Path) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg", "bad.jpg"])
    store = Troubled(tmp_path)
    store.failure = StoreUnavailable("timed out", uri="x")
    with pytest.raises(StoreUnavailable):
        check(store)


def test_a_photo_that_grew_after_the_listing_has_its_real_size(tmp_path: Path) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg"])
    data = make_photo_bytes(size=(200, 100), seed=9)

    def grow() -> None:
        (tmp_path / MISSION / "QC-1" / "a.jpg").write_bytes(data)

    (photo,) = check(tmp_path, between=grow).groups[0].photos
    assert (photo.size, photo.width) == (len(data), 200)


def test_a_partial_group_goes_on_without_its_bad_photos(tmp_path: Path) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["a.jpg", "c.jpg"])
    put_photos(tmp_path / MISSION, "QC-2", ["a.jpg"], seed=5)
    for name in ("QC-1/b.jpg", "QC-3/a.jpg"):
        (tmp_path / MISSION / name).parent.mkdir(exist_ok=True)
        (tmp_path / MISSION / name).write_bytes(b"not a picture")
    report = check(tmp_path, partial=True)
    assert [(group.group_id, [photo.name for photo in group.photos]) for group in report.groups] == [
        ("QC-1", ["a.jpg", "c.jpg"]),
        ("QC-2", ["a.jpg"]),
    ]
    assert reasons(report) == [
        ("photo", "QC-1", "b.jpg", Reason.NOT_AN_IMAGE),
        ("photo", "QC-3", "a.jpg", Reason.NOT_AN_IMAGE),
        ("group", "QC-3", None, Reason.PHOTO_REJECTED),
    ]
    assert report.report.rejected_photos == 2


def test_photos_are_in_natural_order(tmp_path: Path) -> None:
    put_photos(tmp_path / MISSION, "QC-1", ["img10.jpg", "img2.jpg", "img1.jpg"])
    assert [photo.name for photo in check(tmp_path).groups[0].photos] == ["img1.jpg", "img2.jpg", "img10.jpg"]


def test_many_groups_keep_their_order_and_their_photos(tmp_path: Path) -> None:
    for group in range(12):
        put_photos(tmp_path / MISSION, f"QC-{group:02d}", [f"img{n}.jpg" for n in range(5)], seed=group * 5)
    report = check(tmp_path)
    assert [group.group_id for group in report.groups] == [f"QC-{group:02d}" for group in range(12)]
    for group in report.groups:
        for photo in group.photos:
            assert photo.sha256 == hashlib.sha256((tmp_path / photo.key).read_bytes()).hexdigest()
