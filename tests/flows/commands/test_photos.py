"""The commands that look at one photo, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from flows.cli import main
from tests.builders import make_checkpoint, make_photo_bytes
from tests.demo import Demo
from tests.tasks.engines.faulty import Script, chat, faulty, pieces, status, streamed, usage

CAPTION = '{"object_1":{"desc":"BBU设备/品牌:华为","bbox_2d":[0,500,250,1000]}}'


@pytest.fixture(scope="module")
def photo(demo: Demo) -> str:
    """A photo of the demo."""
    return str(next(iter(sorted(Path(demo.photos).glob("*/审核通过/*/img1.jpg")))))


def last_line(text: str) -> dict[str, Any]:
    """The JSON object at the end of stdout."""
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def endpoint(script: Script) -> list[str]:
    """Flags that lead to a scripted server."""
    return ["--engine-kind=endpoint", f"--endpoint={script.url}"]


def test_a_summary_is_printed_as_it_comes_and_then_with_its_facts(
    demo: Demo, photo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["summarize", photo, "--checkpoint", demo.checkpoint, "--device", "cpu"]
    assert main(asked) == 0
    quiet = last_line(capsys.readouterr().out)
    assert quiet["summary"] == quiet["text"]
    assert (quiet["violations"], quiet["finish_reason"]) == ([], "stop")
    assert main([*asked, "--stream"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == quiet["summary"]
    assert last_line(shown) == quiet
    assert main([*asked, "--max-new-tokens", "3"]) == 1
    assert "cut_off" in last_line(capsys.readouterr().out)["violations"]


def test_a_caption_comes_with_pixels_and_an_overlay(
    photo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = tmp_path / "overlay.png"
    with faulty(acts=[status(200, chat(CAPTION))]) as script:
        assert main(["caption", photo, *endpoint(script), f"--overlay={overlay}"]) == 0
    found = last_line(capsys.readouterr().out)
    with Image.open(photo) as picture:
        width, height = picture.size
    assert found["objects"] == json.loads(CAPTION)
    assert found["pixels"]["object_1"] == pytest.approx([0, height / 2, width / 4, height], abs=0.06)
    with Image.open(overlay) as drawn:
        assert min(drawn.size) >= min(width, height)


def test_a_caption_that_breaks_the_rules_is_shown_with_them_and_not_drawn(
    photo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = tmp_path / "overlay.png"
    with faulty(acts=[streamed([*pieces(), usage(), "[DONE]"])]) as script:
        assert main(["caption", photo, *endpoint(script), "--stream", f"--overlay={overlay}"]) == 1
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1])
    assert lines[0] == found["text"]
    assert found["objects"] is None
    assert found["violations"][0].startswith("not_json: ")
    assert not overlay.exists()


def test_a_photo_that_cannot_be_read_is_told(demo: Demo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    with faulty() as script:
        assert main(["caption", str(tmp_path / "cut.jpg"), *endpoint(script)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "PhotoError: truncated_image" in shown.err


@pytest.mark.parametrize("command", ["summarize", "caption"])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("没有照片".encode(), "not_an_image"),
        (make_photo_bytes("GIF"), "unsupported_format"),
        (make_photo_bytes(size=(400, 300))[:-900] + b"\xff\xd9", "truncated_image"),
        (make_photo_bytes("PNG", (10, 400)), "too_small"),
    ],
)
def test_a_file_that_is_no_photo_is_refused_before_a_model_is_loaded(
    command: str, data: bytes, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, checkpoint = tmp_path / "img1.jpg", make_checkpoint(tmp_path / "checkpoint")  # no weights to load
    photo.write_bytes(data)
    assert main([command, str(photo), "--checkpoint", str(checkpoint), "--device", "cpu"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"fieldcheck: PhotoError: {reason}: {photo}: ")
    assert shown.err.count("\n") == 1


def test_a_photo_that_is_no_file_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    assert main(["summarize", str(tmp_path), "--checkpoint", str(checkpoint), "--device", "cpu"]) == 2
    assert "there is no file" in capsys.readouterr().err
