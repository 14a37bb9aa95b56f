"""Steps that are recorded on a GPU, held to answers of the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from configs.parts import ModelConfig
from tasks.engines.loading import end_tokens, load_model
from tasks.engines.photos import Shown
from tasks.engines.prompting import PromptIds
from tasks.engines.qwen.decode_steps import _shape
from tasks.engines.qwen.generator import Generator
from tasks.engines.qwen.kv_slots import ROUND, KVSlots
from tasks.engines.qwen.vision import Normalisation
from tests.demo import Demo
from tests.tasks.engines.qwen.sources import Ask, keeping

MOST = 48


@pytest.fixture(scope="module")
def on_cpu(model: Any, processor: Any, photos: list[Shown], ask: Ask) -> list[list[int]]:
    generator = Generator(model, Normalisation.of(processor.image_processor), end_tokens(model.generation_config))
    return [one.output for one in generator.answer([ask(number, MOST) for number in range(len(photos))])]


@pytest.fixture(scope="module")
def on_gpu(demo: Demo, processor: Any) -> Generator:
    loaded = load_model(demo.checkpoint, (), ModelConfig(dtype="float32"), torch.device("cuda", 0))
    return Generator(loaded, Normalisation.of(processor.image_processor), end_tokens(loaded.generation_config))


def test_shapes_are_few_and_hold_what_is_asked() -> None:
    prefix = [(torch.zeros(1, 2, 10, 4), torch.zeros(1, 2, 10, 4))]
    slots = KVSlots(prefix)
    slots.reserve(44, 1000)
    shapes = {_shape(rows, seen, slots) for rows in range(1, 45) for seen in range(11, 1001)}
    assert all(rows <= slots.slots and seen <= slots.room for rows, seen in shapes)
    assert {rows for rows, _ in shapes} == {1, 2, 4, 8, 16, 24, 32, 40, 44}
    assert {seen for _, seen in shapes} == {ROUND * number for number in range(1, 9)}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("size", [1, 3, 12])
def test_recorded_steps_give_what_the_cpu_gives(
    on_gpu: Generator, prompt: PromptIds, ask: Ask, on_cpu: list[list[int]], size: int
) -> None:
    limits = [9 if number % 3 == 1 else MOST for number in range(len(on_cpu))]  # answers of two lengths
    want = [answer[:most] for answer, most in zip(on_cpu, limits, strict=True)]
    for _ in range(2):  # from recordings that are there
        asked = [ask(number, most) for number, most in enumerate(limits)]
        assert len(list(on_gpu.run(prompt.shared, keeping(size, asked)))) == len(asked)
        assert [one.output for one in asked] == want
    assert on_gpu._steps is not None
    assert on_gpu._steps._recorded


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_16_bits_answer_like_float32_mostly(demo: Demo, processor: Any, ask: Ask, on_cpu: list[list[int]]) -> None:
    loaded = load_model(demo.checkpoint, (), ModelConfig(), torch.device("cuda", 0))
    half = Generator(loaded, Normalisation.of(processor.image_processor), end_tokens(loaded.generation_config))
    found = half.answer([ask(number, MOST) for number in range(len(on_cpu))])
    assert sum(one.output == other for one, other in zip(found, on_cpu, strict=True)) > len(on_cpu) // 2
