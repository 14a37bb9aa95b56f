"""Loading checkpoints, and what a CPU cannot run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from configs.parts import ModelConfig
from tasks.engines import loading
from tasks.engines.loading import (
    check_quantisation,
    load_model,
    load_processor,
    longest_request,
    own_length,
    pick_attention,
    pick_device,
    pick_dtype,
    quantisation_config,
)
from tasks.records.errors import CheckpointError, EngineError, EngineMissing
from tests.demo import Demo

CPU = torch.device("cpu")


def test_a_checkpoint_that_lacks_a_weight_is_refused(demo: Demo, tmp_path: Path) -> None:
    for path in Path(demo.checkpoint).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    gone = next(name for name in weights if "mlp" in name)
    del weights[gone]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"down_proj\.weight is not there"):
        load_model(str(tmp_path), [], ModelConfig(), CPU)


def test_broken_folders_are_checkpoint_errors(demo: Demo, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="processor"):
        load_processor(str(tmp_path))
    with pytest.raises(CheckpointError, match="adapter"):
        load_model(demo.checkpoint, [str(tmp_path)], ModelConfig(), CPU)
    with pytest.raises(CheckpointError, match="config"):
        own_length(str(tmp_path))


def test_weights_are_never_a_pickle(demo: Demo, tmp_path: Path) -> None:
    """Another safetensors file beside it does not make a pickle what is loaded."""
    for path in Path(demo.checkpoint).iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save(load_file(Path(demo.checkpoint) / "model.safetensors"), tmp_path / "pytorch_model.bin")
    save_file({"a": torch.zeros(1)}, tmp_path / "dummy.safetensors")
    with pytest.raises(CheckpointError, match=r"there is no model\.safetensors, only dummy\.safetensors, pyt"):
        load_model(str(tmp_path), [], ModelConfig(), CPU)


def test_an_adapter_is_never_a_pickle_and_never_the_base_alone(demo: Demo, tmp_path: Path) -> None:
    """PEFT loads a pickle where there are no safetensors, and leaves out without a word what has no place."""
    (tmp_path / "adapter_config.json").write_bytes((Path(demo.adapter) / "adapter_config.json").read_bytes())
    weights = load_file(Path(demo.adapter) / "adapter_model.safetensors")
    torch.save(weights, tmp_path / "adapter_model.bin")
    with pytest.raises(CheckpointError, match=r"only adapter_model\.bin: never loaded"):
        load_model(demo.checkpoint, [str(tmp_path)], ModelConfig(), CPU)
    renamed = {name.replace("model.language_model.layers", "model.layers"): value for name, value in weights.items()}
    save_file(renamed, tmp_path / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match=r"56 of 56 weights have no place in the base, such as .*model\.layers"):
        load_model(demo.checkpoint, [str(tmp_path)], ModelConfig(), CPU)


def test_device_dtype_and_attention_on_a_cpu() -> None:
    assert pick_device("cpu") == CPU
    assert pick_dtype("auto", CPU) is torch.float32
    assert pick_dtype("bfloat16", CPU) is torch.bfloat16
    assert pick_attention("auto", CPU, torch.float32) == "sdpa"
    assert pick_attention("eager", CPU, torch.float32) == "eager"
    with pytest.raises(EngineError, match="flash-attn"):
        pick_attention("flash_attention_2", CPU, torch.float32)
    if not torch.cuda.is_available():
        assert pick_device("auto") == CPU
        with pytest.raises(EngineError, match="finds no CUDA device"):
            pick_device("cuda:0")


@pytest.mark.parametrize("quantisation", ["int8", "int4"])
def test_quantised_weights_are_refused_before_anything_is_loaded(
    quantisation: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match="needs a CUDA device"):
        load_model(str(tmp_path), [], ModelConfig.model_validate({"quantisation": quantisation}), CPU)
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(EngineMissing, match="package bitsandbytes"):
        check_quantisation(quantisation, torch.device("cuda", 0))


def test_vision_tower_and_output_layer_are_not_quantised() -> None:
    assert quantisation_config("none", torch.float16) is None
    for kind in ("int8", "int4"):
        config = quantisation_config(kind, torch.bfloat16)
        assert config is not None
        assert set(config.llm_int8_skip_modules) == {"visual", "lm_head"}
    assert config.bnb_4bit_compute_dtype is torch.bfloat16


def test_a_request_is_as_long_as_configured_within_what_the_checkpoint_can(demo: Demo) -> None:
    own = own_length(demo.checkpoint)
    assert longest_request(ModelConfig(), own) == own
    assert longest_request(ModelConfig(max_model_len=128), own) == 128
    assert longest_request(ModelConfig(max_model_len=200_000), own) == own
