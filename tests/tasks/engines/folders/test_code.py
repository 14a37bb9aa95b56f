"""Tests of noticing what asks for code of its own, or for what lies elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.engines.folders.code import check_code, foreign
from tasks.records.errors import CheckpointError

CODE = {"auto_map": {"AutoModel": "modeling.Model"}}


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "tokenizer_config.json",
        "processor_config.json",
        "preprocessor_config.json",
        "video_preprocessor_config.json",
        "generation_config.json",
        "adapter_config.json",
        "some_other_config.json",
    ],
)
@pytest.mark.parametrize("content", [CODE, {"text_config": CODE}, {"a": [{"b": CODE}]}, {"auto_map": {}}])
def test_code_of_its_own_is_noticed_wherever_it_is_named(tmp_path: Path, name: str, content: Any) -> None:
    assert list(foreign(tmp_path)) == []
    (tmp_path / name).write_text(json.dumps(content))
    assert list(foreign(tmp_path)) == [
        f"{name} names code of its own (auto_map), which is never run; use a plain checkpoint"
    ]
    with pytest.raises(CheckpointError, match=rf"{tmp_path}/{name} names code of its own"):
        check_code(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        (
            "config.json",
            {"transformers_weights": "../x.safetensors"},
            "names what lies elsewhere (transformers_weights)",
        ),
        ("tokenizer_config.json", {"fast_tokenizer_files": ["a"]}, "names what lies elsewhere (fast_tokenizer_files)"),
        ("processor_config.json", {"audio_tokenizer": {}}, "names what lies elsewhere (audio_tokenizer)"),
        ("generation_config.json", {"custom_generate": "x"}, "names code of its own (custom_generate)"),
        ("adapter_config.json", {"megatron_config": {}}, "names code of its own (megatron_config)"),
        ("adapter_config.json", {"auto_mapping": {"parent_library": "evil.lib"}}, "names code of its own (auto_map)"),
    ],
)
def test_other_ways_to_reach_beyond_the_folder_are_noticed_too(
    tmp_path: Path, name: str, content: Any, wanted: str
) -> None:
    (tmp_path / name).write_text(json.dumps(content))
    (found,) = foreign(tmp_path)
    assert wanted in found


def test_what_only_sounds_like_code_is_none(tmp_path: Path) -> None:
    library = {"base_model_class": "Qwen3VL", "parent_library": "transformers.models.qwen3_vl.modeling_qwen3_vl"}
    adapter = {"auto_mapping": library, "megatron_config": None, "megatron_core": "megatron.core", "auto_map": None}
    (tmp_path / "adapter_config.json").write_text(json.dumps(adapter))
    (tmp_path / "vocab.json").write_text(json.dumps({"auto_map": 1}))
    (tmp_path / "._config.json").write_bytes(b"\0\5\x16\7")
    assert list(foreign(tmp_path)) == []


def test_a_file_of_code_that_a_loader_would_find_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "custom_generate").mkdir()
    (tmp_path / "audio_tokenizer_config.json").write_text("{}")
    assert [line.split(" ")[0] for line in foreign(tmp_path)] == ["custom_generate", "audio_tokenizer_config.json"]
