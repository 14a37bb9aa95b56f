"""Tests of finding a folder's photos: any depth, natural order, nothing hidden, and each looked at."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from blocks.local_store import LocalStore
from configs.parts import InputConfig
from tasks.dense.discover import Found, find_photos
from tasks.ledger.ledger import Ledger
from tasks.ledger.photo_set import PhotoEntry
from tasks.records.errors import NothingToDo
from tasks.records.reasons import Reason
from tests.builders import make_photo_bytes, put_photos


def look(root: Path) -> tuple[Found, list[PhotoEntry]]:
    """What is found below a folder."""
    with Ledger() as ledger:
        found = find_photos(LocalStore(root), ledger.photos, InputConfig())
        return found, list(ledger.photos.entries())


def test_photos_of_any_depth_are_found_in_natural_order(tmp_path: Path) -> None:
    put_photos(tmp_path, "b/deep", ["img10.JPG", "img2.png"])
    put_photos(tmp_path, "", ["one.jpeg"])
    put_photos(tmp_path, ".hidden", ["img1.jpg"])
    (tmp_path / "b" / "notes.txt").write_text("x")
    (tmp_path / "b" / "._img1.jpg").write_bytes(b"x")
    found, entries = look(tmp_path)
    assert [entry.photo.key for entry in entries] == ["b/deep/img2.png", "b/deep/img10.JPG", "one.jpeg"]
    assert all(entry.error is None and entry.photo.sha256 for entry in entries)
    assert {(entry.photo.width, entry.photo.height) for entry in entries} == {(64, 48)}
    assert found == Found(photos=3, rejected=0, ignored=3)


def test_a_photo_that_cannot_be_used_stays_with_its_reason(tmp_path: Path) -> None:
    put_photos(tmp_path, "a", ["img1.jpg"])
    (tmp_path / "a" / "img2.jpg").write_bytes(b"")
    bitmap = io.BytesIO()
    Image.new("RGB", (64, 48)).save(bitmap, "BMP")
    (tmp_path / "a" / "img3.bmp").write_bytes(bitmap.getvalue())
    (tmp_path / "a" / "nameless").write_bytes(make_photo_bytes())
    (tmp_path / "a" / "unknown").write_bytes(b"x")
    found, entries = look(tmp_path)
    assert {entry.photo.name: entry.error and entry.error.reason for entry in entries} == {
        "img1.jpg": None,
        "img2.jpg": Reason.EMPTY_FILE,
        "img3.bmp": Reason.UNSUPPORTED_FORMAT,
        "nameless": None,
    }
    assert found == Found(photos=4, rejected=2, ignored=1)


def test_a_second_try_finds_each_photo_once(tmp_path: Path) -> None:
    put_photos(tmp_path, "a", ["img1.jpg", "img2.jpg"])
    with Ledger() as ledger:
        for _ in range(2):
            assert find_photos(LocalStore(tmp_path), ledger.photos, InputConfig()).photos == 2


def test_a_folder_without_photos_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(NothingToDo, match=r"\*\.jpg"):
        look(tmp_path)
