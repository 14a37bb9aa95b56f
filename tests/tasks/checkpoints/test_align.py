"""Tests of comparing an adapter or a merged checkpoint with its base, on the demo's own files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tasks.checkpoints.align import check_alignment, mismatches
from tasks.records.errors import CheckpointError, CheckpointMisaligned
from tests.demo import Demo
from tests.merging import Merging
from tests.tasks.checkpoints.conftest import Copy, change


@pytest.fixture
def adapter(demo: Demo, copy: Copy) -> Path:
    """The demo's adapter with all small files of its base, as trainers save it."""
    folder = copy(demo.adapter)
    for path in Path(demo.checkpoint).iterdir():
        if path.suffix in (".json", ".jinja") and path.name not in ("config.json", "expanded.json"):
            shutil.copyfile(path, folder / path.name)
    return folder


def told(base: str, other: Path) -> str:
    """The one difference there is, after checking that its file is named in the error too."""
    found = [str(mismatch) for mismatch in mismatches(Path(base), other)]
    assert len(found) == 1, found
    with pytest.raises(CheckpointMisaligned) as caught:
        check_alignment(Path(base), other)
    assert caught.value.files == (found[0].split(":")[0],)
    assert found[0] in str(caught.value)
    return found[0]


def test_an_adapter_without_files_of_its_own_uses_the_bases(demo: Demo) -> None:
    found = check_alignment(Path(demo.checkpoint), Path(demo.adapter))
    assert (found.kind, found.own) == ("adapter", ())


def test_an_adapter_with_copies_of_the_bases_files_is_aligned(demo: Demo, adapter: Path) -> None:
    found = check_alignment(Path(demo.checkpoint), adapter)
    assert set(found.own) == {
        "tokenizer.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
        "chat_template.jinja",
    }


def test_a_merged_checkpoint_is_aligned_and_so_is_the_base_with_itself(demo: Demo, merging: Merging) -> None:
    assert check_alignment(Path(demo.checkpoint), merging.folder).kind == "checkpoint"
    assert mismatches(Path(demo.checkpoint), Path(demo.checkpoint)) == []


def test_files_that_transformers_wrote_anew_mean_the_same(demo: Demo, copy: Copy) -> None:
    from transformers import AutoProcessor

    folder = copy(demo.checkpoint)
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "chat_template.jinja"):
        (folder / name).unlink()
    AutoProcessor.from_pretrained(demo.checkpoint, local_files_only=True).save_pretrained(folder)
    assert (folder / "processor_config.json").is_file()
    assert not (folder / "preprocessor_config.json").is_file()
    assert (folder / "tokenizer.json").read_bytes() != Path(demo.checkpoint, "tokenizer.json").read_bytes()
    assert mismatches(Path(demo.checkpoint), folder) == []


def test_older_forms_of_the_same_files_mean_the_same(demo: Demo, adapter: Path) -> None:
    template = (adapter / "chat_template.jinja").read_text(encoding="utf-8")
    (adapter / "chat_template.jinja").unlink()
    (adapter / "chat_template.json").write_text(json.dumps({"chat_template": template.removesuffix("\n")}))
    change(adapter / "tokenizer_config.json", chat_template=[{"name": "default", "template": template}])
    change(adapter / "tokenizer_config.json", eos_token={"content": "<|im_end|>", "special": True}, extra=[1])
    change(adapter / "tokenizer_config.json", tokenizer_class="Qwen2TokenizerFast")
    size = json.loads((adapter / "preprocessor_config.json").read_text(encoding="utf-8"))["size"]
    bounds = {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}
    change(adapter / "preprocessor_config.json", size=None, **bounds)
    tokenizer = json.loads((adapter / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["model"]["merges"] = [" ".join(pair) for pair in tokenizer["model"]["merges"]]
    for token in tokenizer["added_tokens"]:
        tokenizer["model"]["vocab"].pop(token["content"])
    tokenizer |= {"padding": {"strategy": "BatchLongest"}, "truncation": {"max_length": 512}}
    (adapter / "tokenizer.json").write_text(json.dumps(tokenizer, indent=2))
    assert mismatches(Path(demo.checkpoint), adapter) == []


def test_the_size_that_a_nested_processor_gives_is_in_force(demo: Demo, adapter: Path) -> None:
    settings = json.loads((adapter / "preprocessor_config.json").read_text(encoding="utf-8"))
    own = settings["size"]["longest_edge"]
    settings["size"]["longest_edge"] = 1_003_520
    (adapter / "processor_config.json").write_text(json.dumps({"image_processor": settings}))
    assert told(demo.checkpoint, adapter) == f"processor_config.json: size.longest_edge 1003520, base {own}"


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"size__longest_edge": 1_003_520}, "size.longest_edge 1003520, base "),
        ({"patch_size": 14}, "patch_size 14, base 16"),
        ({"image_mean": [0.4, 0.5, 0.5]}, "image_mean [0.4, 0.5, 0.5], base [0.5, 0.5, 0.5]"),
        ({"do_rescale": False}, "do_rescale False, base True"),
        ({"resample": 2}, "resample 2, base 3"),
    ],
)
def test_a_changed_processor_is_named(demo: Demo, adapter: Path, changed: dict[str, object], wanted: str) -> None:
    change(adapter / "preprocessor_config.json", **changed)
    assert told(demo.checkpoint, adapter).startswith(f"preprocessor_config.json: {wanted}")


def test_a_changed_template_is_named_with_its_line(demo: Demo, adapter: Path) -> None:
    path = adapter / "chat_template.jinja"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[6] = lines[6] + " "
    path.write_text("\n".join(lines), encoding="utf-8")
    assert told(demo.checkpoint, adapter) == "chat_template.jinja: differs from the base's from line 7 on"


def test_a_template_in_the_tokenizers_file_counts_too(demo: Demo, adapter: Path) -> None:
    change(adapter / "tokenizer_config.json", chat_template="{{ messages }}")
    assert told(demo.checkpoint, adapter) == "tokenizer_config.json: differs from the base's from line 1 on"


def test_a_base_whose_own_templates_differ_is_aligned_with_its_copy(demo: Demo, copy: Copy) -> None:
    base = copy(demo.checkpoint)
    change(base / "tokenizer_config.json", chat_template="{{ messages }}")
    assert mismatches(base, copy(base)) == []


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"eos_token": "<|endoftext|>"}, "eos_token '<|endoftext|>', base '<|im_end|>'"),
        ({"pad_token": None}, "pad_token None, base '<|endoftext|>'"),
        ({"add_bos_token": True}, "add_bos_token True, base False"),
        ({"tokenizer_class": "LlamaTokenizer"}, "tokenizer_class 'LlamaTokenizer', base 'Qwen2Tokenizer'"),
    ],
)
def test_changed_special_tokens_are_named(demo: Demo, adapter: Path, changed: dict[str, object], wanted: str) -> None:
    change(adapter / "tokenizer_config.json", **changed)
    assert told(demo.checkpoint, adapter) == f"tokenizer_config.json: {wanted}"


def test_a_changed_vocabulary_is_named_with_an_example(demo: Demo, adapter: Path) -> None:
    change(adapter / "tokenizer.json", model__vocab__A=9_999)
    assert told(demo.checkpoint, adapter).startswith("tokenizer.json: tokens: 1 differ, such as 'A' is 9999, base ")


def test_changed_merges_are_named_with_their_place(demo: Demo, adapter: Path) -> None:
    merges = json.loads((adapter / "tokenizer.json").read_text(encoding="utf-8"))["model"]["merges"]
    change(adapter / "tokenizer.json", model__merges=[merges[1], merges[0], *merges[2:]])
    assert "tokenizer.json: merges differ from number 1 on" in told(demo.checkpoint, adapter)


def test_a_changed_rule_of_an_added_token_is_named(demo: Demo, adapter: Path) -> None:
    added = json.loads((adapter / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    change(adapter / "tokenizer.json", added_tokens=[{**added[0], "lstrip": True}, *added[1:]])
    wanted = f"tokenizer.json: added_tokens: 1 differ, such as {added[0]['content']!r} is {{'lstrip': True}}"
    assert wanted in told(demo.checkpoint, adapter)


def test_a_changed_pre_tokenizer_is_named(demo: Demo, adapter: Path) -> None:
    change(adapter / "tokenizer.json", pre_tokenizer={"type": "Whitespace"})
    assert told(demo.checkpoint, adapter).startswith("tokenizer.json: pre_tokenizer {'type': 'Whitespace'}, base ")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("tokenizer.json", "tokenizer.json"),
        ("tokenizer_config.json", "tokenizer_config.json"),
        ("preprocessor_config.json", "preprocessor_config.json"),
        ("chat_template.jinja", "chat_template.jinja"),
    ],
)
def test_a_merged_checkpoint_needs_what_the_base_has(demo: Demo, copy: Copy, name: str, file: str) -> None:
    folder = copy(demo.checkpoint)
    (folder / name).unlink()
    assert told(demo.checkpoint, folder).startswith(f"{file}: is missing, the base has ")


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"text_config__hidden_size": 2560}, "text_config.hidden_size 2560, base "),
        ({"vision_config__depth": 27}, "vision_config.depth 27, base "),
        ({"architectures": ["Qwen2VL"]}, "architectures ['Qwen2VL'], base ['Qwen3VLForConditionalGeneration']"),
        ({"text_config__rope_parameters__rope_theta": 1e6}, "text_config.rope.rope_theta 1000000.0, base "),
        ({"image_token_id": 7}, "image_token_id 7, base 151655"),
    ],
)
def test_another_architecture_is_named(demo: Demo, copy: Copy, changed: dict[str, object], wanted: str) -> None:
    folder = copy(demo.checkpoint)
    change(folder / "config.json", **changed)
    assert told(demo.checkpoint, folder).startswith(f"config.json: {wanted}")


def test_how_a_config_was_written_does_not_count(demo: Demo, copy: Copy) -> None:
    folder = copy(demo.checkpoint)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rope = config["text_config"].pop("rope_parameters")
    config["text_config"] |= {"rope_theta": rope.pop("rope_theta"), "rope_scaling": rope}
    config |= {"torch_dtype": "bfloat16", "transformers_version": "4.57.0", "hidden_size": 160}
    (folder / "config.json").write_text(json.dumps(config))
    assert mismatches(Path(demo.checkpoint), folder) == []


def test_other_end_tokens_are_named(demo: Demo, copy: Copy) -> None:
    folder = copy(demo.checkpoint)
    change(folder / "generation_config.json", eos_token_id=[151643], temperature=0.7)
    assert told(demo.checkpoint, folder) == ("generation_config.json: eos_token_id [151643], base [151643, 151645]")


def test_an_adapter_of_another_kind_is_named(demo: Demo, copy: Copy) -> None:
    folder = copy(demo.adapter)
    change(folder / "adapter_config.json", peft_type="IA3")
    assert told(demo.checkpoint, folder) == "adapter_config.json: peft_type is 'IA3', and only 'LORA' is known"
    change(folder / "adapter_config.json", peft_type="LORA", r=0)
    assert told(demo.checkpoint, folder) == "adapter_config.json: r is 0, and must be a rank"


def test_many_differences_are_counted(demo: Demo, adapter: Path) -> None:
    (adapter / "preprocessor_config.json").write_text("{}")
    (adapter / "chat_template.jinja").write_text("")
    change(adapter / "tokenizer_config.json", eos_token="a", pad_token="b", bos_token="c", unk_token="d")
    with pytest.raises(CheckpointMisaligned, match="2 more; use the base") as caught:
        check_alignment(Path(demo.checkpoint), adapter)
    assert caught.value.files == ("chat_template.jinja", "tokenizer_config.json", "preprocessor_config.json")


@pytest.mark.parametrize("content", ["[]", "{", '{"model": [1]}', '{"added_tokens": 7}', "\udcff"])
def test_a_file_that_makes_no_sense_is_an_error(demo: Demo, adapter: Path, content: str) -> None:
    (adapter / "tokenizer.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match="copy it again"):
        check_alignment(Path(demo.checkpoint), adapter)
