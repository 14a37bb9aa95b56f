"""What ms-swift is not let loose on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from configs.parts import EngineConfig, ModelConfig
from tasks.engines import swift_loading
from tasks.engines.swift_loading import open_swift
from tasks.records.errors import CheckpointError, EngineError, EngineMissing
from tests.demo import Demo


def opened(
    checkpoint: str, adapters: tuple[str, ...] = (), *, device: str = "cpu", model: Any = None, **engine: Any
) -> Any:
    config = EngineConfig.model_validate({"kind": "swift", **engine})
    return open_swift(checkpoint, adapters, device, ModelConfig.model_validate(model or {}), config, 1024)


@pytest.mark.parametrize(
    ("backend", "server"),
    [("vllm", "make vllm-server"), ("sglang", "sglang.launch_server"), ("lmdeploy", "lmdeploy serve")],
)
def test_a_back_end_that_is_not_installed_is_named_with_the_server_that_takes_its_place(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, backend: str, server: str
) -> None:
    found = swift_loading.find_spec
    monkeypatch.setattr(swift_loading, "find_spec", lambda name: None if name == backend else found(name))
    with pytest.raises(EngineMissing, match=f"package {backend}.*{server}.*engine kind endpoint"):
        opened(demo.checkpoint, backend=backend)


def test_a_package_of_ms_swift_that_is_missing_is_named(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swift_loading, "find_spec", lambda name: None)
    with pytest.raises(EngineMissing, match=r"package ms-swift; pip install"):
        opened(demo.checkpoint)


def test_what_is_no_folder_never_becomes_a_hub_name(demo: Demo) -> None:
    with pytest.raises(CheckpointError, match="is not a directory"):
        opened("Qwen/Qwen3-VL-4B-Instruct")
    with pytest.raises(CheckpointError, match="is not a directory"):
        opened(demo.checkpoint, ("some/adapter",))


def test_a_checkpoint_with_code_of_its_own_is_refused(demo: Demo, tmp_path: Path) -> None:
    config = json.loads((Path(demo.checkpoint) / "config.json").read_text(encoding="utf-8"))
    config["auto_map"] = {"AutoModel": "modeling.Model"}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match="names code of its own"):
        opened(str(tmp_path))


def test_code_that_generates_is_never_run(demo: Demo, tmp_path: Path) -> None:
    """ms-swift trusts every folder, and transformers then runs what lies in `custom_generate`."""
    for path in Path(demo.checkpoint).iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "custom_generate").mkdir()
    code = f"open({str(tmp_path / 'ran')!r}, 'w')\ndef generate(model, **more): return model\n"
    (tmp_path / "custom_generate" / "generate.py").write_text(code)
    with pytest.raises(CheckpointError, match="custom_generate holds code of its own"):
        opened(str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_weights_is_a_checkpoint_error(demo: Demo, tmp_path: Path) -> None:
    for path in Path(demo.checkpoint).iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(CheckpointError, match=r"there is no model\.safetensors"):
        opened(str(tmp_path))


def test_quantised_weights_need_cuda(demo: Demo) -> None:
    with pytest.raises(EngineError, match="needs a CUDA device"):
        opened(demo.checkpoint, model={"quantisation": "int4"})


@pytest.mark.parametrize(
    ("backend", "adapters", "model", "words"),
    [
        ("vllm", 2, {}, "cannot run 2 adapters; merge them first"),
        ("sglang", 1, {}, "cannot run 1 adapters"),
        ("vllm", 0, {"quantisation": "int4"}, "works with back end transformers alone"),
        ("vllm", 0, {"attention": "eager"}, "picks its attention kernel itself"),
    ],
)
def test_what_a_back_end_cannot_do_is_said_before_it_is_loaded(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, backend: str, adapters: int, model: dict[str, str], words: str
) -> None:
    monkeypatch.setattr(swift_loading, "find_spec", lambda name: object())
    with pytest.raises(EngineError, match=words):
        opened(demo.checkpoint, (demo.adapter,) * adapters, model=model, backend=backend)


@pytest.mark.parametrize(("rank", "room"), [(4, 8), (8, 8), (16, 16), (20, 32)])
def test_room_for_an_adapter_is_a_power_of_two(tmp_path: Path, rank: int, room: int) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": rank}), encoding="utf-8")
    assert swift_loading._rank(str(tmp_path)) == room
