"""Tests of reading the headers of safetensors files, against the library that writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tasks.checkpoints.weights import INDEX, Tensor, read_weights
from tests.demo import Demo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16)}, tmp_path / "one.safetensors")
    save_file({"c": torch.zeros(10, 10, dtype=torch.float16)}, tmp_path / "two.safetensors", {"format": "pt"})
    return tmp_path


def test_tensors_bytes_and_dtypes_are_counted(folder: Path) -> None:
    found = read_weights(folder)
    assert found.tensors == {"a": Tensor("F32", (2, 3)), "b": Tensor("BF16", (4,)), "c": Tensor("F16", (10, 10))}
    assert found.parameters == 110
    assert found.dtypes == {"F16": 100, "F32": 6, "BF16": 4}
    assert found.bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert (found.files, found.faults) == (["one.safetensors", "two.safetensors"], [])


def test_the_demos_header_is_what_the_library_reads(demo: Demo) -> None:
    found = read_weights(Path(demo.checkpoint)).tensors
    with safe_open(Path(demo.checkpoint) / "model.safetensors", "pt") as file:
        wanted = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    assert {name: tensor.shape for name, tensor in found.items()} == wanted


@pytest.mark.parametrize("keep", [0, 7, 8, 60, -1])
def test_a_file_that_is_cut_off_is_a_fault(folder: Path, keep: int) -> None:
    path = folder / "one.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    found = read_weights(folder)
    assert len(found.faults) == 1
    assert found.faults[0].startswith("one.safetensors: ")
    assert "copy it again" in found.faults[0]
    assert set(found.tensors) == {"c"}


@pytest.mark.parametrize(
    "content",
    [
        b"weights",
        b"\xff" * 64,
        (4).to_bytes(8, "little") + b"[1] ",
        (12).to_bytes(8, "little") + b'{"a": {"x":1' + b"....",
        (2).to_bytes(8, "little") + b"{}more than the header knows",
    ],
)
def test_a_file_that_is_something_else_is_a_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert len(read_weights(tmp_path).faults) == 1


def test_an_index_that_names_what_is_not_there_is_a_fault(folder: Path) -> None:
    named = {"a": "one.safetensors", "c": "two.safetensors"}
    (folder / INDEX).write_text(json.dumps({"weight_map": named}))
    assert read_weights(folder).faults == []
    (folder / INDEX).write_text(json.dumps({"weight_map": {**named, "d": "three.safetensors", "e": "one.safetensors"}}))
    assert read_weights(folder).faults == [
        f"{INDEX}: names three.safetensors, which is not there",
        f"{INDEX}: names 1 weights that no file holds, such as e",
    ]
    (folder / INDEX).write_text("{}")
    assert read_weights(folder).faults == [f"{INDEX}: holds no weight_map"]
    (folder / INDEX).write_text("{")
    assert "is not JSON" in read_weights(folder).faults[0]


def test_a_folder_without_weights_has_none(tmp_path: Path) -> None:
    found = read_weights(tmp_path)
    assert (found.parameters, found.bytes, found.files, found.faults, found.dtypes) == (0, 0, [], [], {})
