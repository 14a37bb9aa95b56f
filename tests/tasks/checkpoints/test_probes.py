"""Tests of the photos that two models are compared on."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from configs.parts import InputConfig
from tasks.checkpoints.probes import draw, probe_photos
from tasks.images.open import decode
from tasks.records.errors import CheckpointError


def picture(path: Path, form: str = "JPEG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48), "red").save(path, form)


def test_drawn_pictures_are_always_the_same_and_all_different() -> None:
    probes = probe_photos(None, 24)
    assert probes == [draw(number) for number in range(24)]
    assert len({probe.data for probe in probes}) == 24
    assert [probe.name for probe in probes[:2]] == ["drawn-1.png", "drawn-2.png"]
    opened = [decode(probe.data, InputConfig()) for probe in probes]
    assert len({image.size for image in opened}) == 8
    # Not one of them is a plain area.
    assert all(len(image.getcolors(2**20) or ()) > 3 for image in opened)


def test_a_folders_first_photos_come_in_natural_order(tmp_path: Path) -> None:
    for name in ("b/img10.jpg", "b/img2.JPEG", "a/1.png", "b/notes.txt"):
        picture(tmp_path / name, "PNG" if name.endswith("png") else "JPEG")
    probes = probe_photos(str(tmp_path), 8)
    assert [probe.name for probe in probes] == ["a/1.png", "b/img2.JPEG", "b/img10.jpg"]
    assert probes[0].data == (tmp_path / "a/1.png").read_bytes()
    assert [probe.name for probe in probe_photos(str(tmp_path), 2)] == [
        "a/1.png",
        "b/img2.JPEG",
    ]


def test_a_photo_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.effect_noise((64, 48), 90).save(out, "JPEG")
    (tmp_path / "1.jpg").write_bytes(out.getvalue()[:200])
    (tmp_path / "2.jpg").write_bytes(b"")
    picture(tmp_path / "3.jpg")
    assert [probe.name for probe in probe_photos(str(tmp_path), 1)] == ["3.jpg"]


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CheckpointError, match="holds no photo that can be read"):
            probe_photos(str(folder), 64)
