"""Tests of finding the groups of a mission."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from tasks.inputs.discover import discover
from tasks.records.errors import NothingToDo
from tasks.records.photos import Label
from tests.builders import MISSION


def touch(root: Path, *paths: str) -> None:
    """Files of a few bytes under the mission's folder."""
    for path in paths:
        file = root / MISSION / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.encode())


def test_groups_come_by_id_then_label_with_photos_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, *(f"审核通过/QC-2/img{n}.jpg" for n in (10, 2, 1)))
    touch(tmp_path, "审核不通过/QC-2/b.PNG", "待审核/QC-1/a.jpeg", "QC-3/c.jpg", "QC-10/d.jpg")
    found = discover(LocalStore(tmp_path), MISSION)
    assert [(group.group_id, group.label, [photo.name for photo in group.photos]) for group in found.groups] == [
        ("QC-1", None, ["a.jpeg"]),
        ("QC-10", None, ["d.jpg"]),
        ("QC-2", Label.FAIL, ["b.PNG"]),
        ("QC-2", Label.PASS, ["img1.jpg", "img2.jpg", "img10.jpg"]),
        ("QC-3", None, ["c.jpg"]),
    ]
    assert all(group.mission == MISSION for group in found.groups)
    assert found.ignored == ()


def test_a_photo_knows_its_key_and_size_and_nothing_more(tmp_path: Path) -> None:
    touch(tmp_path, "QC-1/a.jpg")
    (photo,) = discover(LocalStore(tmp_path), MISSION).groups[0].photos
    assert (photo.key, photo.size, photo.sha256) == (f"{MISSION}/QC-1/a.jpg", len("QC-1/a.jpg"), "")


def test_the_same_id_with_and_without_a_pending_folder_is_two_groups_the_folder_first(tmp_path: Path) -> None:
    touch(tmp_path, "QC-1/direct.jpg", "待审核/QC-1/pending.jpg", "验收/a.jpg", "待审核/验收/b.jpg")
    found = discover(LocalStore(tmp_path), MISSION)
    assert [group.photos[0].name for group in found.groups] == ["pending.jpg", "direct.jpg", "b.jpg", "a.jpg"]


def test_a_marker_is_no_photo_and_no_stranger(tmp_path: Path) -> None:
    touch(tmp_path, "审核通过/QC-1/a.jpg", "审核通过/QC-1/stage_a_complete", "QC-2/a.jpg", "QC-2/stage_a_complete.txt")
    found = discover(LocalStore(tmp_path), MISSION)
    assert [group.marked for group in found.groups] == [True, False]
    assert found.ignored == (f"{MISSION}/QC-2/stage_a_complete.txt",)


def test_what_is_no_photo_of_a_group_is_named(tmp_path: Path) -> None:
    strangers = ["readme.txt", "direct.jpg", "审核通过/direct.jpg", "QC-1/notes.docx", "QC-1/more/a.jpg", "QC-1/a.heic"]
    touch(tmp_path, "QC-1/a.jpg", *strangers)
    found = discover(LocalStore(tmp_path), MISSION)
    assert found.ignored == tuple(sorted(f"{MISSION}/{path}" for path in strangers))
    assert [photo.name for photo in found.groups[0].photos] == ["a.jpg"]


def test_an_empty_folder_is_a_group_without_photos(tmp_path: Path) -> None:
    (tmp_path / MISSION / "审核通过" / "QC-1").mkdir(parents=True)
    assert discover(LocalStore(tmp_path), MISSION).groups[0].photos == ()


def test_other_missions_are_not_looked_at(tmp_path: Path) -> None:
    touch(tmp_path, "QC-1/a.jpg")
    other = tmp_path / f"{MISSION}二" / "QC-9"
    other.mkdir(parents=True)
    (other / "a.jpg").write_bytes(b"x")
    assert [group.group_id for group in discover(LocalStore(tmp_path), MISSION).groups] == ["QC-1"]


@pytest.mark.parametrize("folders", [[], [MISSION], [f"{MISSION}/审核通过", f"{MISSION}/待审核"]])
def test_no_group_at_all_says_where_photos_belong(tmp_path: Path, folders: list[str]) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(NothingToDo, match="<mission>/<group_id>/") as caught:
        discover(LocalStore(tmp_path), MISSION)
    assert str(tmp_path) in str(caught.value)


def test_the_order_of_the_listing_does_not_show(tmp_path: Path) -> None:
    touch(tmp_path, *(f"审核通过/QC-{g}/img{n}.jpg" for g in range(4) for n in range(12)), "x.txt", "a.txt")

    class Backwards(LocalStore):
        """Lists everything the other way round."""

        def list(self, prefix: str = "") -> object:  # type: ignore[override]
            return iter(sorted(super().list(prefix), key=lambda info: info.key, reverse=True))

        def folders(self, prefix: str = "") -> object:  # type: ignore[override]
            return iter(sorted(super().folders(prefix), reverse=True))

    assert discover(Backwards(tmp_path), MISSION) == discover(LocalStore(tmp_path), MISSION)  # type: ignore[arg-type]


def test_names_that_are_not_utf8_are_found(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / MISSION / "QC-1")
    os.makedirs(folder)
    try:
        with open(folder + b"/img\xff1.jpg", "wb") as file:
            file.write(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (photo,) = discover(LocalStore(tmp_path), MISSION).groups[0].photos
    assert photo.name == "img\udcff1.jpg"


def test_what_archivers_and_systems_leave_behind_is_no_group_and_no_photo(tmp_path: Path) -> None:
    for name in (
        f"{MISSION}/A/img1.jpg",
        f"{MISSION}/A/._img1.jpg",
        f"{MISSION}/__MACOSX/A/x.jpg",
        f"{MISSION}/.Trash/y.jpg",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = discover(LocalStore(tmp_path), MISSION)
    assert [(group.group_id, [photo.name for photo in group.photos]) for group in found.groups] == [("A", ["img1.jpg"])]
    assert f"{MISSION}/A/._img1.jpg" in found.ignored
