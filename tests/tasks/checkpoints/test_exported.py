"""Tests of what becomes of an export before it is compared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.checkpoints.exported import carry_over, check_changed, check_export
from tasks.engines.folders.weights import read_weights
from tasks.records.errors import MergeFailed
from tests.builders import make_checkpoint
from tests.demo import Demo
from tests.tasks.checkpoints.conftest import Copy, change


def test_the_bases_own_files_take_the_place_of_what_was_written(demo: Demo, copy: Copy) -> None:
    base, made = copy(demo.checkpoint), copy(demo.checkpoint)
    (made / "video_preprocessor_config.json").unlink()
    (made / "processor_config.json").write_text('{"image_processor": {"patch_size": 14}}')
    (made / "tokenizer_config.json").write_text("{}")
    change(made / "generation_config.json", temperature=1.0)
    (made / "chat_templates").mkdir()
    (made / "chat_templates" / "other.jinja").write_text("x")
    change(made / "config.json", transformers_version="9")
    carry_over(base, made)
    for name in ("video_preprocessor_config.json", "tokenizer_config.json", "generation_config.json", "tokenizer.json"):
        assert (made / name).read_bytes() == (base / name).read_bytes()
    assert not (made / "processor_config.json").exists()
    assert not (made / "chat_templates").exists()
    assert (made / "config.json").read_bytes() != (base / "config.json").read_bytes()
    check_export(read_weights(base), base, made)


@pytest.mark.parametrize(
    ("damage", "wanted"), [("cut", "copy it again"), ("lose", "is not there"), ("config", r"config\.json: text_config")]
)
def test_an_export_that_is_something_else_is_refused(demo: Demo, copy: Copy, damage: str, wanted: str) -> None:
    base, made = copy(demo.checkpoint), copy(demo.checkpoint)
    weights = made / "model.safetensors"
    if damage == "config":
        change(made / "config.json", text_config__hidden_size=1)
    else:
        weights.unlink()
    if damage == "cut":
        weights.write_bytes((base / "model.safetensors").read_bytes()[:1_000_000])
    with pytest.raises(MergeFailed, match=wanted):
        check_export(read_weights(base), base, made)


def test_a_merge_that_is_its_base_byte_for_byte_is_refused(tmp_path: Path) -> None:
    base, made = make_checkpoint(tmp_path / "base"), make_checkpoint(tmp_path / "made")
    with pytest.raises(MergeFailed, match=r"the merge changes nothing: .* `fieldcheck inspect"):
        check_changed(base, made)
    with (made / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    check_changed(base, made)
