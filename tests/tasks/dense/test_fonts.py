"""Tests of finding a font with Chinese characters, and of doing without one."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from PIL import ImageFont

from tasks.dense.fonts import CURE, FONT_VARIABLE, Face, face_for, find_font
from tasks.records.errors import InputError

FOUND = find_font()


@pytest.fixture
def latin(tmp_path: Path) -> Path:
    """A font without Chinese characters that has the name of one that has them."""
    path = tmp_path / "fonts" / "NotoSansCJK-Regular.ttf"
    path.parent.mkdir()
    path.write_bytes(ImageFont.load_default(16).font_bytes)
    return path


def test_a_fonts_name_alone_is_not_believed(latin: Path) -> None:
    (latin.parent / "wqy-zenhei.ttc").write_bytes(b"no font")
    assert find_font([latin.parent, latin.parent / "none"]) is None


@pytest.mark.skipif(FOUND is None, reason="no font with Chinese characters on this machine")
def test_a_font_with_chinese_characters_is_found_by_name_and_tried(latin: Path, tmp_path: Path) -> None:
    assert FOUND is not None
    real = tmp_path / "more" / f"wqy-zenhei{FOUND.suffix}"
    real.parent.mkdir()
    real.symlink_to(FOUND)
    assert find_font([latin.parent, real.parent]) == real
    face = face_for(real)
    assert (face.path, face.chinese) == (real, True)
    assert face.writable("BBU设备/品牌:华为\n") == "BBU设备/品牌:华为\\n"
    assert face.font(30).getbbox("检")[2] > 20


def test_without_chinese_characters_it_is_told_once_and_ascii_is_left(
    latin: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        faces = [face_for(latin) for _ in range(3)]
    assert faces == [Face(latin)] * 3
    (record,) = caplog.records
    assert str(latin) in record.getMessage()
    assert CURE in record.getMessage()


@pytest.mark.parametrize(
    ("text", "ascii_part"),
    [
        ("BBU设备/品牌:华为/型号:5900-V2", "BBU 5900-V2"),
        ("标签/颜色:黄色,可识别", ""),
        ("label", "label"),
        ("\ud800(a)", "\\ud800(a)"),
    ],
)
def test_pillows_own_font_writes_ascii(text: str, ascii_part: str) -> None:
    face = Face(None)
    assert face.writable(text) == ascii_part
    assert face.font(20).getlength("5900") > 20


def test_the_named_font_comes_before_that_of_the_environment(
    latin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.ttf"
    other.write_bytes(latin.read_bytes())
    monkeypatch.setenv(FONT_VARIABLE, str(latin))
    assert face_for().path == latin
    assert face_for(other).path == other


@pytest.mark.parametrize("data", [None, b"", b"no font"])
def test_a_named_file_that_is_no_font_is_refused(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "font.ttf"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=r"font\.ttf is not a font file"):
        face_for(path)


@pytest.mark.skipif(FOUND is None, reason="no font with Chinese characters on this machine")
def test_no_font_of_the_same_name_is_taken_from_the_system_instead(tmp_path: Path) -> None:
    assert FOUND is not None
    path = tmp_path / FOUND.name
    path.write_bytes(b"no font")
    with pytest.raises(InputError):
        face_for(path)
