"""Tests of resolving a configuration to a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

import tasks.checkpoints.resolve as resolving
from configs.stage_a import StageAConfig
from tasks.checkpoints.fingerprint import fingerprint
from tasks.checkpoints.resolve import resolve, resolve_dtype
from tasks.records.errors import CheckpointError
from tests.builders import make_adapter, make_checkpoint


def test_paths_become_absolute_and_digests_keep_the_order_of_adapters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_checkpoint(tmp_path / "base")
    one, two = make_adapter(tmp_path / "one"), make_adapter(tmp_path / "two")
    (two / "adapter_model.safetensors").write_bytes(b"other")
    monkeypatch.chdir(tmp_path)
    found = resolve(StageAConfig(checkpoint="base", adapters=("two", "./one"), device="cpu"))
    assert (found.path, found.adapters) == (str(folder), (str(two), str(one)))
    assert found.fingerprint == fingerprint(folder)
    assert found.adapter_fingerprints == (fingerprint(two), fingerprint(one))
    assert found.dtype == "float32"


def test_a_broken_adapter_is_refused(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "base")
    with pytest.raises(CheckpointError, match="missing"):
        resolve(StageAConfig(checkpoint=str(folder), adapters=(str(tmp_path / "missing"),)))


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
