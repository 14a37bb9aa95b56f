"""Tests of finding the groups of a mission."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from blocks.store import Store
from tasks.inputs.discover import Discovery, discover, discover_again, label_meant
from tasks.inputs.ignored import Ignored, Kind
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
    assert found == Discovery(groups=5, photos=7, unknown=0, ignored=Ignored())


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
    assert (found.photos, found.unknown) == (2, 1), "verification tells the near miss of its group"


def test_what_is_no_photo_of_a_group_is_named(tmp_path: Path) -> None:
    stray = ["QC-1/more/a.jpg", "direct.heic", "审核通过/direct.jpg"]
    others = ["QC-1/way.mp4", "QC-1/notes.docx", "readme.txt", "QC-1/.DS_Store", "QC-1/Thumbs.db"]
    touch(tmp_path, "QC-1/a.jpg", *stray, *others)
    groups, found = find(LocalStore(tmp_path))
    assert found.ignored.examples == tuple(f"{MISSION}/{path}" for path in (*stray, *others))
    assert found.ignored.total == len(stray) + len(others)
    assert dict(found.ignored.counts) == {Kind.STRAY_PHOTO: 3, Kind.VIDEO: 1, Kind.DOCUMENT: 2, Kind.SYSTEM: 2}
    assert "video or sound: 1, such as 挡风板安装检查/QC-1/way.mp4; document" in found.ignored.line()
    (warning,) = found.warnings()
    assert warning == (
        f"photos that lie in no group: 3, such as {MISSION}/QC-1/more/a.jpg; move them into a group's folder"
    )
    assert [photo.name for photo in groups[0].photos] == ["a.jpg"]


@pytest.mark.parametrize(
    "name",
    [f"a.{end}" for end in ("heic", "HEIF", "webp", "avif", "jfif", "jpe", "gif", "bmp", "TIF", "dng", "CR2", "nef")],
)
def test_whatever_is_called_as_a_picture_is_a_photo_of_its_group(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "QC-1/a.jpg", f"QC-1/{name}")
    groups, found = find(LocalStore(tmp_path))
    assert {photo.name for photo in groups[0].photos} == {"a.jpg", name}
    assert (found.photos, found.ignored.total) == (2, 0)


@pytest.mark.parametrize(
    "folder", ["@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", ".snapshot", "__MACOSX", "System Volume Information"]
)
def test_a_folder_that_a_system_keeps_for_itself_is_no_group_and_none_of_its_photos_is_missed(
    tmp_path: Path, folder: str
) -> None:
    touch(tmp_path, "审核通过/QC-1/a.jpg", "QC-2/a.jpg", f"{folder}/a.jpg", f"{folder}/QC-1/a.jpg")
    touch(tmp_path, f"审核通过/{folder}/a.jpg", f"审核通过/QC-1/{folder}/a.jpg/THUMB_M.jpg")
    groups, found = find(LocalStore(tmp_path))
    assert [group.group_id for group in groups] == ["QC-1", "QC-2"]
    assert dict(found.ignored.counts) == {Kind.SYSTEM: 4}
    assert found.warnings() == []


@pytest.mark.parametrize(
    ("folder", "meant"),
    [
        ("审核 通过", "审核通过"),
        ("审核通过 ", "审核通过"),
        ("审核通过\u3000", "审核通过"),
        ("\u200b审核通过", "审核通过"),
        ("審核通過", "审核通过"),
        ("审核通过（1）", "审核通过"),
        ("审核通过 - 副本", "审核通过"),
        ("审核未通过", "审核不通过"),
        ("審核不通過", "审核不通过"),
        ("审核不过", "审核通过 or 审核不通过"),
        ("待审", "待审核"),
        ("待審核", "待审核"),
    ],
)
def test_a_folder_that_is_nearly_a_label_is_no_group_and_told_with_what_it_is_near_to(
    tmp_path: Path, folder: str, meant: str
) -> None:
    touch(tmp_path, "QC-1/a.jpg", f"{folder}/QC-2/a.jpg", f"{folder}/direct.jpg")
    groups, found = find(LocalStore(tmp_path))
    assert [(group.group_id, group.label, label_meant(group.folder, MISSION) != ()) for group in groups] == [
        ("QC-1", None, False),
        ("QC-2", None, True),
    ]
    assert found.near == ((f"{MISSION}/{folder}", meant),)
    assert f"is nearly {meant} and does not count" in found.warnings()[0]


@pytest.mark.parametrize("name", ["验收", "QC-1", "2024", "通过率图", "BBU", "不合格项整改前", "审核通过率统计表"])
def test_a_group_may_have_any_other_name(tmp_path: Path, name: str) -> None:
    touch(tmp_path, f"{name}/a.jpg")
    groups, found = find(LocalStore(tmp_path))
    assert ([group.group_id for group in groups], found.near) == ([name], ())


@pytest.mark.parametrize("name", [f"{MISSION} ", f"{MISSION}\u3000", "挡风板安裝检查", f"\ufeff{MISSION}"])
def test_a_mission_s_folder_with_nearly_its_name_is_told(tmp_path: Path, name: str) -> None:
    touch(tmp_path, f"../{name}/QC-1/a.jpg")
    if "裝" in name:  # another character is another mission
        with pytest.raises(NothingToDo, match="no group"):
            find(LocalStore(tmp_path))
        return
    with pytest.raises(NothingToDo, match=f"is nearly {MISSION} and does not count; rename it"):
        find(LocalStore(tmp_path))
    touch(tmp_path, "QC-2/a.jpg")
    assert find(LocalStore(tmp_path))[1].near == ((name, MISSION),)


def test_a_mission_whose_name_was_decomposed_by_a_mac_is_told(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "Überprüfung") / "QC-1").mkdir(parents=True)
    with Ledger() as ledger, pytest.raises(NothingToDo, match="is nearly Überprüfung"):
        discover(LocalStore(tmp_path), "Überprüfung", ledger.groups)


def test_missions_that_differ_in_a_number_are_not_near(tmp_path: Path) -> None:
    for name in ("检查1", "检查2"):
        (tmp_path / name / "QC-1").mkdir(parents=True)
    with Ledger() as ledger:
        assert discover(LocalStore(tmp_path), "检查1", ledger.groups).near == ()


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
    assert f"{MISSION}/A/._img1.jpg" in found.ignored.examples


def test_only_the_first_strangers_are_named_and_all_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "QC-1/a.jpg", *(f"QC-1/{n}.txt" for n in range(50)))
    _, found = find(LocalStore(tmp_path))
    assert (found.ignored.total, len(found.ignored.examples)) == (50, 5)


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
    assert (found.groups, found.photos, found.ignored.examples) == (3, 2, (f"{MISSION}/QC-3/x.txt",))


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
