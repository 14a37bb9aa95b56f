"""Tests of resolving a configuration to a checkpoint."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

import tasks.checkpoints.resolve as resolving
from configs.parts import EndpointConfig, MergeConfig, ModelConfig
from tasks.checkpoints.fingerprint import fingerprint
from tasks.checkpoints.resolve import Checkpoint, resolve, resolve_dtype, resolve_endpoint
from tasks.records.errors import CheckpointError, CheckpointMisaligned
from tests.builders import make_adapter, make_checkpoint
from tests.demo import Demo
from tests.merging import Merging
from tests.tasks.checkpoints.adapter_zoo import make_lora as trained_lora
from tests.tasks.checkpoints.conftest import Copy
from tests.tasks.checkpoints.processes import ROOT

NO_MERGE = MergeConfig()


def make_lora(folder: Path) -> Path:
    """An adapter that says what it is."""
    make_adapter(folder)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8}')
    return folder


def test_paths_become_absolute_and_digests_keep_the_order_of_adapters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_checkpoint(tmp_path / "base")
    one, two = trained_lora(tmp_path / "one", folder), trained_lora(tmp_path / "two", folder, lora_alpha=16)
    monkeypatch.chdir(tmp_path)
    found = resolve(ModelConfig(base="base", adapters=("two", "./one")), NO_MERGE, "cpu")
    assert (found.path, found.adapters) == (str(folder), (str(two), str(one)))
    assert found.fingerprint == fingerprint(folder)
    assert found.adapter_fingerprints == (fingerprint(two), fingerprint(one))
    assert (found.dtype, found.merged) == ("float32", None)


def test_a_broken_adapter_is_refused(tmp_path: Path) -> None:
    base = str(make_checkpoint(tmp_path / "base"))
    with pytest.raises(CheckpointError, match="missing is no folder"):
        resolve(ModelConfig(base=base, adapters=(str(tmp_path / "missing"),)), NO_MERGE, "cpu")
    with pytest.raises(CheckpointMisaligned, match="peft_type is None"):
        resolve(ModelConfig(base=base, adapters=(str(make_adapter(tmp_path / "bare")),)), NO_MERGE, "cpu")


def test_a_base_that_is_not_there_fails_fast_and_asks_no_hub() -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*args, **more): raise AssertionError('the network was touched')\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
        "from configs.parts import MergeConfig, ModelConfig\n"
        "from tasks.checkpoints.resolve import resolve\n"
        "from tasks.records.errors import CheckpointError\n"
        "model = ModelConfig(base='Qwen/Qwen3-VL-4B-Instruct', adapters=('a',))\n"
        "try: resolve(model, MergeConfig(enabled=True), 'cpu')\n"
        "except CheckpointError as error: print(error)\n"
        "print(*(name for name in ('torch', 'transformers', 'swift', 'peft') if name in sys.modules))\n"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert time.monotonic() - began < 5.0
    wanted = (
        f"model.base {ROOT / 'Qwen/Qwen3-VL-4B-Instruct'} is no folder; give a local directory, hubs are never asked"
    )
    assert done.stdout.split("\n") == [wanted, "", ""]


def test_a_merged_checkpoint_is_run_alone(demo: Demo, merging: Merging) -> None:
    merged = merging.merged
    found = resolve(ModelConfig(base=demo.checkpoint, merged=merged.path), NO_MERGE, "cpu")
    assert found == Checkpoint(merged.path, (), merged.fingerprint, (), "float32")
    assert resolve(ModelConfig(merged=merged.path), NO_MERGE, "cpu") == found


def test_adapters_are_merged_first_if_that_is_asked(merging: Merging) -> None:
    config = merging.config.model_copy(update={"enabled": True})
    lines: list[str] = []
    found = resolve(merging.model, config, "cpu", lines.append)
    assert (found.path, found.adapters, found.adapter_fingerprints) == (merging.merged.path, (), ())
    assert found.fingerprint == merging.merged.fingerprint
    assert found.merged is not None
    assert not found.merged.fresh


def test_a_merged_checkpoint_with_another_template_is_refused(demo: Demo, copy: Copy) -> None:
    folder = copy(demo.checkpoint)
    with (folder / "chat_template.jinja").open("a") as file:
        file.write("\n")
    with pytest.raises(CheckpointMisaligned) as caught:
        resolve(ModelConfig(base=demo.checkpoint, merged=str(folder)), NO_MERGE, "cpu")
    assert caught.value.files == ("chat_template.jinja",)
    assert resolve(ModelConfig(merged=str(folder)), NO_MERGE, "cpu").path == str(folder)


@pytest.mark.parametrize(
    ("given", "enabled", "wanted"),
    [
        ({}, False, r"no checkpoint is given; give model\.base"),
        ({"adapters": ("adapter",)}, False, "no checkpoint is given"),
        ({"merged": "base", "adapters": ("adapter",)}, False, "not both"),
        ({"merged": "base"}, True, "is merged already"),
        ({"base": "base"}, True, "there is nothing to merge"),
        ({"base": "adapter"}, False, r"model\.base .*adapter is an adapter"),
        ({"merged": "adapter"}, False, r"model\.merged .*adapter is an adapter"),
        ({"base": "empty"}, False, r"empty holds neither config\.json"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], enabled: bool, wanted: str
) -> None:
    make_checkpoint(tmp_path / "base")
    make_lora(tmp_path / "adapter")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=wanted):
        resolve(ModelConfig.model_validate(given), MergeConfig(enabled=enabled), "cpu")


def test_a_servers_model_is_told_by_name_and_revision() -> None:
    named = EndpointConfig(url="http://gpu-7:8000/v1", model="qwen")
    elsewhere = named.model_copy(update={"url": "http://gpu-8:8000/v1"})
    revised = named.model_copy(update={"revision": "2"})
    bare = named.model_copy(update={"model": None})
    assert resolve_endpoint(named) == resolve_endpoint(elsewhere) == resolve_endpoint(bare, "qwen")
    found = [resolve_endpoint(one).fingerprint for one in (named, revised, bare, bare.model_copy(update={"url": "x"}))]
    assert len({*found}) == 4
    assert all(len(digest) == 64 for digest in found)
    assert resolve_endpoint(named).path == ""


@pytest.mark.parametrize(
    ("dtype", "device", "devices", "wanted"),
    [
        ("auto", "cpu", 8, "float32"),
        ("auto", "cuda", 1, "bfloat16"),
        ("auto", "cuda:1", 2, "bfloat16"),
        ("auto", "auto", 0, "float32"),
        ("auto", "auto", 1, "bfloat16"),
        ("float16", "cpu", 0, "float16"),
        ("float32", "cuda", 1, "float32"),
    ],
)
def test_auto_is_what_the_device_computes_best(
    monkeypatch: pytest.MonkeyPatch, dtype: str, device: str, devices: int, wanted: str
) -> None:
    monkeypatch.setattr(resolving, "cuda_device_count", lambda: devices)
    assert resolve_dtype(dtype, device) == wanted
