"""Tests of finding the groups of a mission."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from blocks.store import Store
from tasks.inputs.discover import Discovery, discover, discover_again
from tasks.ledger.groups import State
from tasks.ledger.ledger import Ledger
from tasks.records.errors import NothingToDo
from tasks.records.photos import Group, Label, printable
from tests.builders import MISSION


def touch(root: Path, *paths: str) -> None:
    """Files of a few bytes under the mission's folder."""
    for path in paths:
        file = root / MISSION / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.encode())


def find(store: Store) -> tuple[list[Group], Discovery]:
    """The groups that are found, in the ledger's order, and what is said of them."""
    with Ledger() as ledger:
        found = discover(store, MISSION, ledger.groups)
        return [entry.group for entry in ledger.groups.entries(State.FOUND)], found


def test_groups_come_by_id_then_label(tmp_path: Path) -> None:
    touch(tmp_path, *(f"审核通过/QC-2/img{n}.jpg" for n in (10, 2, 1)))
    touch(tmp_path, "审核不通过/QC-2/b.PNG", "待审核/QC-1/a.jpeg", "QC-3/c.jpg", "QC-10/d.jpg")
    groups, found = find(LocalStore(tmp_path))
    assert [(group.group_id, group.label, {photo.name for photo in group.photos}) for group in groups] == [
        ("QC-1", None, {"a.jpeg"}),
        ("QC-10", None, {"d.jpg"}),
        ("QC-2", Label.FAIL, {"b.PNG"}),
        ("QC-2", Label.PASS, {"img1.jpg", "img2.jpg", "img10.jpg"}),
        ("QC-3", None, {"c.jpg"}),
    ]
    assert all(group.mission == MISSION for group in groups)
    assert groups[3].folder == f"{MISSION}/审核通过/QC-2"
    assert found == Discovery(groups=5, photos=7, ignored=0, examples=())


def test_a_photo_knows_its_key_and_size_and_nothing_more(tmp_path: Path) -> None:
    touch(tmp_path, "QC-1/a.jpg")
    (photo,) = find(LocalStore(tmp_path))[0][0].photos
    assert (photo.key, photo.size, photo.sha256) == (f"{MISSION}/QC-1/a.jpg", len("QC-1/a.jpg"), "")


def test_the_same_id_with_and_without_a_pending_folder_is_two_groups(tmp_path: Path) -> None:
    touch(tmp_path, "QC-1/direct.jpg", "待审核/QC-1/pending.jpg", "验收/a.jpg", "待审核/验收/b.jpg")
    groups, _ = find(LocalStore(tmp_path))
    assert [group.photos[0].name for group in groups] == ["direct.jpg", "pending.jpg", "b.jpg", "a.jpg"]


def test_a_marker_is_no_photo_and_no_stranger(tmp_path: Path) -> None:
    touch(tmp_path, "审核通过/QC-1/a.jpg", "审核通过/QC-1/stage_a_complete", "QC-2/a.jpg", "QC-2/stage_a_complete.txt")
    groups, found = find(LocalStore(tmp_path))
    assert [group.marked for group in groups] == [True, False]
    assert found.examples == (f"{MISSION}/QC-2/stage_a_complete.txt",)


def test_what_is_no_photo_of_a_group_is_named(tmp_path: Path) -> None:
    strangers = ["readme.txt", "direct.jpg", "审核通过/direct.jpg", "QC-1/notes.docx", "QC-1/more/a.jpg", "QC-1/a.heic"]
    touch(tmp_path, "QC-1/a.jpg", *strangers)
    groups, found = find(LocalStore(tmp_path))
    assert found.examples == tuple(sorted(f"{MISSION}/{path}" for path in strangers))
    assert found.ignored == len(strangers)
    assert [photo.name for photo in groups[0].photos] == ["a.jpg"]


def test_an_empty_folder_is_a_group_without_photos(tmp_path: Path) -> None:
    (tmp_path / MISSION / "审核通过" / "QC-1").mkdir(parents=True)
    assert find(LocalStore(tmp_path))[0][0].photos == ()


def test_other_missions_are_not_looked_at(tmp_path: Path) -> None:
    touch(tmp_path, "QC-1/a.jpg")
    other = tmp_path / f"{MISSION}二" / "QC-9"
    other.mkdir(parents=True)
    (other / "a.jpg").write_bytes(b"x")
    assert [group.group_id for group in find(LocalStore(tmp_path))[0]] == ["QC-1"]


@pytest.mark.parametrize("folders", [[], [MISSION], [f"{MISSION}/审核通过", f"{MISSION}/待审核"]])
def test_no_group_at_all_says_where_photos_belong(tmp_path: Path, folders: list[str]) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(NothingToDo, match="<mission>/<group_id>/") as caught:
        find(LocalStore(tmp_path))
    assert str(tmp_path) in str(caught.value)


def test_the_order_of_the_listing_does_not_show(tmp_path: Path) -> None:
    touch(tmp_path, *(f"审核通过/QC-{g}/img{n}.jpg" for g in range(4) for n in range(12)), "x.txt", "a.txt")

    class Backwards(LocalStore):
        """Lists everything the other way round."""

        def list(self, prefix: str = "") -> object:  # type: ignore[override]
            return iter(sorted(super().list(prefix), key=lambda info: info.key, reverse=True))

        def folders(self, prefix: str = "") -> object:  # type: ignore[override]
            return iter(sorted(super().folders(prefix), reverse=True))

    ways: list[Store] = [Backwards(tmp_path), LocalStore(tmp_path)]  # type: ignore[list-item]
    seen = [([(g.folder, {p.key for p in g.photos}) for g in groups], found) for groups, found in map(find, ways)]
    assert seen[0] == seen[1]


def test_names_that_are_not_utf8_are_found(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / MISSION / "QC-1")
    os.makedirs(folder)
    try:
        with open(folder + b"/img\xff1.jpg", "wb") as file:
            file.write(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (photo,) = find(LocalStore(tmp_path))[0][0].photos
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
    groups, found = find(LocalStore(tmp_path))
    assert [(group.group_id, [photo.name for photo in group.photos]) for group in groups] == [("A", ["img1.jpg"])]
    assert f"{MISSION}/A/._img1.jpg" in found.examples


def test_only_the_first_strangers_are_named_and_all_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "QC-1/a.jpg", *(f"QC-1/{n}.txt" for n in range(50)))
    _, found = find(LocalStore(tmp_path))
    assert (found.ignored, len(found.examples)) == (50, 20)


def test_only_the_folders_that_are_asked_for_are_found_again(tmp_path: Path) -> None:
    touch(tmp_path, "审核通过/QC-1/a.jpg", "审核通过/QC-2/a.jpg", "QC-3/a.jpg", "QC-3/x.txt", "待审核/QC-4/a.jpg")
    (tmp_path / MISSION / "QC-5").mkdir()
    asked = [f"{MISSION}/{name}" for name in ("审核通过/QC-2", "QC-3", "QC-5", "待审核/gone", "审核不通过/QC-2")]
    with Ledger() as ledger:
        found = discover_again(LocalStore(tmp_path), MISSION, asked, ledger.groups)
        groups = [entry.group for entry in ledger.groups.entries()]
    assert [(group.group_id, group.label, len(group.photos)) for group in groups] == [
        ("QC-2", Label.PASS, 1),
        ("QC-3", None, 1),
        ("QC-5", None, 0),
    ]
    assert (found.groups, found.photos, found.examples) == (3, 2, (f"{MISSION}/QC-3/x.txt",))


def test_a_folder_whose_name_is_not_utf8_is_found_again_by_its_printable_name(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / MISSION) + b"/QC-\xff"
    try:
        os.makedirs(folder)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with Ledger() as ledger:
        discover_again(LocalStore(tmp_path), MISSION, [f"{MISSION}/QC-\\xff"], ledger.groups)
        (entry,) = ledger.groups.entries()
    assert printable(entry.group.group_id) == "QC-\\xff"
