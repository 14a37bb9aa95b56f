"""Tests of what ms-swift is not given to merge, and of what becomes of its export before it is compared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import tasks.checkpoints.merge_steps as judging
from tasks.checkpoints.merge_steps import carry_over, check_changed, check_export, check_mergeable
from tasks.engines.folders.weights import read_weights
from tasks.records.errors import MergeFailed
from tests.builders import make_checkpoint
from tests.demo import Demo
from tests.tasks.checkpoints.conftest import Copy, change


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return make_checkpoint(tmp_path / "base")


@pytest.fixture
def adapters(tmp_path: Path) -> tuple[Path, Path]:
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
        (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "bias": "none"}')
    return folders


def test_plain_adapters_can_be_merged(base: Path, adapters: tuple[Path, Path]) -> None:
    check_mergeable(base, adapters)


def test_code_of_a_folders_own_is_never_run(base: Path, adapters: tuple[Path, Path]) -> None:
    (adapters[1] / "tokenizer_config.json").write_text('{"auto_map": {}}')
    with pytest.raises(MergeFailed, match=r"two/tokenizer_config\.json names code of its own \(auto_map\)"):
        check_mergeable(base, adapters)
    change(base / "config.json", auto_map={"AutoModel": "evil.Model"})
    with pytest.raises(MergeFailed, match=r"base/config\.json names code of its own"):
        check_mergeable(base, adapters[:1])


def test_a_quantised_base_is_refused(base: Path, adapters: tuple[Path, Path]) -> None:
    change(base / "config.json", quantization_config={"quant_method": "awq"})
    with pytest.raises(MergeFailed, match="is quantised"):
        check_mergeable(base, adapters)


@pytest.mark.parametrize(
    "changed", [{"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"bias": "all"}, {"trainable_token_indices": [1]}]
)
def test_what_does_not_add_up_is_merged_alone_or_not_at_all(
    base: Path, adapters: tuple[Path, Path], changed: dict[str, object]
) -> None:
    change(adapters[1] / "adapter_config.json", **changed)
    with pytest.raises(MergeFailed, match=rf"two changes more than it adds \({next(iter(changed))}\); merge it alone"):
        check_mergeable(base, adapters)
    check_mergeable(base, adapters[1:])


def test_a_missing_package_is_named(base: Path, adapters: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "find_spec", lambda name: None)
    with pytest.raises(MergeFailed, match="needs the packages ms-swift and qwen-vl-utils"):
        check_mergeable(base, adapters)


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
