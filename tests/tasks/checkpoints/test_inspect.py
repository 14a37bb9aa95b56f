"""Tests of looking at a folder of weights without loading them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.demo.tokenizer import FRAMES, NUMBERS, STARTS
from tasks.checkpoints.fingerprint import fingerprint
from tasks.checkpoints.inspect import inspect
from tasks.records.errors import CheckpointError
from tests.builders import make_adapter, make_checkpoint
from tests.demo import Demo
from tests.merging import Merging
from tests.tasks.checkpoints.conftest import Copy, change
from tests.tasks.checkpoints.processes import ROOT


def test_a_base_is_described_by_its_files(demo: Demo) -> None:
    found = inspect(Path(demo.checkpoint))
    config = json.loads(Path(demo.checkpoint, "config.json").read_text(encoding="utf-8"))
    assert (found.kind, found.misaligned, found.adapter, found.merge) == ("base", None, None, None)
    assert (found.refused, found.warnings) == ([], [])
    assert found.fingerprint == fingerprint(demo.checkpoint)
    assert found.architecture == "Qwen3VLForConditionalGeneration"
    assert found.bytes == Path(demo.checkpoint, "model.safetensors").stat().st_size
    assert found.dtypes == {"F32": found.parameters}
    assert found.language is not None
    assert found.language["hidden_size"] == config["text_config"]["hidden_size"]
    assert found.language["max_position_embeddings"] == config["text_config"]["max_position_embeddings"]
    assert found.vocabulary is not None
    own = len((*STARTS, *FRAMES, *NUMBERS))
    assert (found.vocabulary["added"], found.vocabulary["rows"]) == (own + 26, config["text_config"]["vocab_size"])
    assert found.image is not None
    size = json.loads(Path(demo.checkpoint, "preprocessor_config.json").read_text(encoding="utf-8"))["size"]
    assert (found.image["min_pixels"], found.image["max_pixels"]) == (size["shortest_edge"], size["longest_edge"])
    assert found.image["max_visual_tokens"] == size["longest_edge"] // 1024
    assert found.template is not None
    assert found.template["file"] == "chat_template.jinja"
    assert found.ends == [151643, 151645]
    assert found.ignored_generation is not None
    assert set(found.ignored_generation) == {"do_sample", "max_new_tokens"}


def test_an_adapter_is_described_with_its_rank(demo: Demo) -> None:
    found = inspect(Path(demo.adapter), Path(demo.checkpoint))
    assert (found.kind, found.refused, found.warnings) == ("adapter", [], [])
    assert (found.misaligned, found.language) == ([], None)
    assert found.adapter is not None
    config = json.loads(Path(demo.adapter, "adapter_config.json").read_text(encoding="utf-8"))
    for name in ("peft_type", "r", "lora_alpha", "target_modules"):
        assert found.adapter[name] == config[name]


def test_a_merged_checkpoint_is_described_with_its_making(demo: Demo, merging: Merging) -> None:
    found = inspect(merging.folder, Path(demo.checkpoint))
    assert (found.kind, found.refused, found.warnings, found.misaligned) == ("merged", [], [], [])
    assert found.merge is not None
    assert found.merge["parity"]["photos"] == 4
    assert found.fingerprint == merging.merged.fingerprint
    assert json.loads(json.dumps(found.as_json())) == found.as_json()
    told = found.lines()
    assert told[0] == f"merged {merging.folder}, Qwen3VLForConditionalGeneration"
    assert any(": 4 of 4 probe photos with the same text, largest" in line for line in told)
    assert f"tokenizer, chat template and processor are those of {demo.checkpoint}" in told


def test_no_model_library_is_loaded_for_it(demo: Demo) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom tasks.checkpoints.inspect import inspect\n"
        "inspect(Path(sys.argv[1]), Path(sys.argv[1]))\n"
        "print([name for name in ('torch', 'transformers', 'safetensors', 'numpy') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, demo.checkpoint], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_differences_from_the_base_are_listed(demo: Demo, copy: Copy) -> None:
    folder = copy(demo.checkpoint)
    own = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))["size"]["longest_edge"]
    change(folder / "preprocessor_config.json", size__longest_edge=own + 1024)
    (folder / "chat_template.jinja").unlink()
    found = inspect(folder, Path(demo.checkpoint))
    assert found.misaligned == [
        "chat_template.jinja: is missing, the base has a chat template",
        f"preprocessor_config.json: size.longest_edge {own + 1024}, base {own}",
    ]
    assert found.refused == [
        "chat_template.jinja is missing; copy it from the base",
        *(f"not the base's: {line}" for line in found.misaligned),
    ]
    assert found.lines()[-3:] == [f"refused: {line}" for line in found.refused]


def test_all_that_is_damaged_or_missing_is_told_at_once(demo: Demo, copy: Copy) -> None:
    folder = copy(demo.checkpoint)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(weights[:1_000_000])
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "tokenizer.json").unlink()
    (folder / "preprocessor_config.json").write_text('{"patch_size": "wide"}')
    change(folder / "config.json", auto_map={"AutoModel": "mine.Model"})
    told = "\n".join(inspect(folder).lines())
    for wanted in (
        f"model.safetensors: should be {len(weights)} bytes and is 1000000; copy it again",
        "pytorch_model.bin: such weights are pickles",
        "tokenizer.json is missing; copy it from the base",
        "config.json names code of its own",
        "image cannot be told: ",
    ):
        assert wanted in told


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "generation_config.json", "chat_template.jinja"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"text_config": 3, "added_tokens": 3, "size": 3}'])
def test_no_content_of_a_small_file_stops_it(demo: Demo, copy: Copy, name: str, content: bytes) -> None:
    folder = copy(demo.checkpoint)
    (folder / name).write_bytes(content)
    found = inspect(folder, Path(demo.checkpoint))
    assert found.refused


def test_a_merge_whose_files_changed_is_a_warning(merging: Merging, copy: Copy) -> None:
    folder = copy(merging.folder)
    change(folder / "generation_config.json", do_sample=True)
    assert "merged.json: the files are not those that were merged; merge again" in inspect(folder).warnings


def test_a_folder_that_only_looks_like_a_checkpoint_is_told(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "one")
    (folder / "model.safetensors").write_bytes(b"weights")
    found = inspect(folder)
    assert (found.kind, found.parameters) == ("base", 0)
    assert any(line.startswith("model.safetensors: ") for line in found.refused)
    (folder / "model.safetensors").unlink()
    assert "there is no model.safetensors" in inspect(folder).refused
    assert inspect(folder).fingerprint is None


def test_answers_end_where_the_engines_end_them(demo: Demo, copy: Copy) -> None:
    """Of a checkpoint whose generation_config.json names no end, transformers alone would know none."""
    from transformers import GenerationConfig

    from tasks.engines.loading import end_tokens, plain_generation

    folder = copy(demo.checkpoint)
    content = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    content.pop("eos_token_id")
    (folder / "generation_config.json").write_text(json.dumps(content))
    own = GenerationConfig.from_pretrained(folder)
    assert own.eos_token_id is None
    assert end_tokens(plain_generation(own, str(folder))) == {*(inspect(folder).ends or ())} == {151645}


def test_what_is_no_checkpoint_at_all_is_an_error(demo: Demo, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CheckpointError, match="holds neither"):
            inspect(folder)
    with pytest.raises(CheckpointError, match="is an adapter; give the checkpoint"):
        inspect(Path(demo.checkpoint), make_adapter(tmp_path / "adapter"))
    with pytest.raises(CheckpointError, match="holds neither"):
        inspect(Path(demo.checkpoint), tmp_path / "missing")
