"""Tests of finding a folder's photos: any depth, natural order, nothing hidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from tasks.dense.discover import find_photos
from tasks.records.errors import NothingToDo
from tests.builders import put_photos


def test_photos_of_any_depth_are_found_in_natural_order(tmp_path: Path) -> None:
    put_photos(tmp_path, "b/deep", ["img10.JPG", "img2.png"])
    put_photos(tmp_path, "", ["one.jpeg"])
    put_photos(tmp_path, ".hidden", ["img1.jpg"])
    (tmp_path / "b" / "notes.txt").write_text("x")
    (tmp_path / "b" / "._img1.jpg").write_bytes(b"x")
    photos, ignored = find_photos(LocalStore(tmp_path))
    assert [photo.key for photo in photos] == ["b/deep/img2.png", "b/deep/img10.JPG", "one.jpeg"]
    assert ignored == 3


def test_a_folder_without_photos_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(NothingToDo, match=r"\*\.jpg"):
        find_photos(LocalStore(tmp_path))
