"""Tests of an adapter's own faults, on weights of every float that safetensors has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from tasks.engines.folders.adapters import adapter_refusals, adapter_warnings
from tests.builders import examples
from tests.folders import write

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def saved(folder: Path, *values: torch.Tensor) -> Path:
    write(folder / "adapter_config.json", {"peft_type": "LORA", "r": 4})
    named = {f"base_model.model.x.{number}.lora_B.weight": value for number, value in enumerate(values)}
    save_file(named, folder / "adapter_model.safetensors")
    return folder


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_one_number_that_is_none_is_found(tmp_path: Path, dtype: torch.dtype, value: float) -> None:
    odd = torch.ones(7, 3, dtype=dtype)
    odd[6, 2] = value
    (told,) = adapter_refusals(saved(tmp_path, torch.ones(2, dtype=dtype), odd))
    assert "NaN or infinity in base_model.model.x.1.lora_B.weight: the training diverged" in told


@pytest.mark.parametrize("dtype", FLOATS)
def test_zeros_of_either_sign_are_warned_of_and_the_smallest_number_is_none(tmp_path: Path, dtype: torch.dtype) -> None:
    zeros = torch.zeros(4, 2, dtype=dtype)
    assert "all of its 2 lora_B are zero" in adapter_warnings(saved(tmp_path, zeros, -zeros))[0]
    smallest = torch.full((4, 2), torch.finfo(dtype).tiny, dtype=dtype)
    assert "1 of its 2 lora_B are zero, such as" in adapter_warnings(saved(tmp_path, zeros, smallest))[0]
    assert adapter_warnings(saved(tmp_path, smallest)) == []
    assert adapter_refusals(saved(tmp_path, torch.full((3,), torch.finfo(dtype).max, dtype=dtype))) == []


@examples(30)
@given(st.sampled_from(FLOATS), st.lists(st.floats(width=16), min_size=1, max_size=9))
def test_numbers_are_judged_as_torch_judges_them(
    tmp_path_factory: pytest.TempPathFactory, dtype: torch.dtype, values: list[float]
) -> None:
    tensor = torch.tensor(values, dtype=dtype)
    folder = saved(tmp_path_factory.mktemp("lora"), tensor)
    assert bool(adapter_refusals(folder)) == (not bool(tensor.isfinite().all()))
    assert bool(adapter_warnings(folder)) == (not bool(tensor.any()))


def test_what_is_no_float_is_left_alone(tmp_path: Path) -> None:
    folder = saved(tmp_path, torch.zeros(3, dtype=torch.int8), torch.zeros(0))
    assert adapter_refusals(folder) == []
