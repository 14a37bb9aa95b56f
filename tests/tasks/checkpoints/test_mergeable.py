"""Tests of what ms-swift is not given to merge."""

from __future__ import annotations

from pathlib import Path

import pytest

import tasks.checkpoints.mergeable as judging
from tasks.checkpoints.mergeable import check_mergeable
from tasks.records.errors import MergeFailed
from tests.builders import make_checkpoint
from tests.tasks.checkpoints.conftest import change


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
