"""Tests of reading the headers of safetensors files, against the library that writes them."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from tasks.engines.folders.files import INDEX
from tasks.engines.folders.weights import WIDTHS, Chosen, Tensor, choose_weights, read_weights, strays
from tests.builders import examples
from tests.demo import Demo
from tests.folders import write_zeros


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shards and their index."""
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16)}, tmp_path / "one.safetensors")
    save_file({"c": torch.zeros(10, 10, dtype=torch.float16)}, tmp_path / "two.safetensors", {"format": "pt"})
    write_index(tmp_path, {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"})
    return tmp_path


def write_index(folder: Path, named: object, **more: object) -> None:
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": named, **more}))


def test_tensors_bytes_and_dtypes_are_counted(folder: Path) -> None:
    found = read_weights(folder)
    assert found.tensors == {"a": Tensor("F32", (2, 3)), "b": Tensor("BF16", (4,)), "c": Tensor("F16", (10, 10))}
    assert found.parameters == 110
    assert found.dtypes == {"F16": 100, "F32": 6, "BF16": 4}
    assert found.bytes == sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    assert (found.files, found.faults) == (["one.safetensors", "two.safetensors"], [])
    for name, tensor in found.tensors.items():
        data = (folder / tensor.file).read_bytes()[tensor.begin :][: tensor.size * WIDTHS[tensor.dtype]]
        assert data == bytes(tensor.size * WIDTHS[tensor.dtype]), name


def test_what_is_loaded_is_the_whole_file_or_else_what_the_index_names(folder: Path) -> None:
    assert choose_weights(folder).files == ("one.safetensors", "two.safetensors")
    write_index(folder, {"a": "one.safetensors"})
    assert choose_weights(folder).files == ("one.safetensors",)
    assert strays(folder) == ["two.safetensors"]
    (folder / "model.safetensors").write_bytes((folder / "one.safetensors").read_bytes())
    assert "there are both model.safetensors and" in choose_weights(folder).faults[0]
    write_index(folder, {"a": "model.safetensors", "b": "model.safetensors"})
    assert choose_weights(folder).files == ("model.safetensors",)
    assert read_weights(folder).faults == []
    (folder / INDEX).unlink()
    assert choose_weights(folder) == Chosen(("model.safetensors",))
    (folder / "adapter_config.json").write_text("{}")
    assert "there is no adapter_model.safetensors, only model.safetensors, " in choose_weights(folder).faults[0]


@examples()
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_shard_is_a_name_in_the_folder_or_is_refused(name: str) -> None:
    with TemporaryDirectory() as made:
        folder = Path(made)
        write_index(folder, {"a": name})
        chosen = choose_weights(folder)
        assert not chosen.files or (folder / chosen.files[0]).parent == folder
        for outside in (f"../{name}.safetensors", f"/{name}.safetensors", f"x/{name}.safetensors"):
            write_index(folder, {"a": outside})
            assert "which is no *.safetensors of this folder" in choose_weights(folder).faults[0]


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
    write_index(folder, {"a": "one.safetensors", "d": "three.safetensors"})
    assert read_weights(folder).faults == [f"{INDEX}: names three.safetensors, which is not there"]
    write_index(folder, {"a": "one.safetensors", "e": "one.safetensors"})
    assert read_weights(folder).faults == [f"{INDEX}: names 1 weights that no file holds, such as e"]
    for named in (None, {}, [], 3):
        write_index(folder, named)
        assert read_weights(folder).faults == [f"{INDEX}: holds no weight_map; copy it again"]
    write_index(folder, {"a": "one.safetensors"}, metadata=None)
    assert read_weights(folder).faults == [f"{INDEX}: holds no metadata; copy it again"]
    (folder / INDEX).write_text("{")
    assert "is not JSON" in read_weights(folder).faults[0]


def test_a_weight_that_two_shards_hold_is_a_fault(folder: Path) -> None:
    (folder / "three.safetensors").write_bytes((folder / "one.safetensors").read_bytes())
    write_index(folder, {"a": "one.safetensors", "b": "three.safetensors"})
    assert "three.safetensors: holds a, which another shard holds too" in read_weights(folder).faults[0]


def test_a_header_is_bounded_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write((2**30).to_bytes(8, "little"))
        file.truncate(2**31)
    assert "has a header of 1073741824 bytes, at most" in read_weights(tmp_path).faults[0]


@examples()
@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name != "__metadata__"), st.lists(st.integers(0, 3))))
def test_headers_of_any_names_and_shapes_are_read_back(shapes: dict[str, list[int]]) -> None:
    with TemporaryDirectory() as made:
        write_zeros(Path(made, "model.safetensors"), {name: tuple(shape) for name, shape in shapes.items()})
        found = read_weights(Path(made))
        assert (found.faults, {n: list(t.shape) for n, t in found.tensors.items()}) == ([], shapes)


def test_a_folder_without_weights_has_none(tmp_path: Path) -> None:
    found = read_weights(tmp_path)
    assert found.faults == ["there is no model.safetensors"]
    assert (found.parameters, found.bytes, found.files, found.dtypes) == (0, 0, [], {})
