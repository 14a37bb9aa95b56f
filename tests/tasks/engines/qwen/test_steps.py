"""Steps that are recorded on a GPU, held to answers of the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from configs.parts import ModelConfig
from tasks.engines.loading import end_tokens, load_model
from tasks.engines.prompting import PromptIds
from tasks.engines.qwen.generator import Asked, Generator
from tasks.engines.qwen.patches import Patched
from tasks.engines.qwen.slots import ROUND, Slots
from tasks.engines.qwen.steps import _shape
from tasks.engines.qwen.vision import Normalisation
from tests.demo import Demo

MOST = 48


@pytest.fixture(scope="module")
def on_cpu(model: Any, processor: Any, prompt: PromptIds, patched: list[Patched]) -> list[list[int]]:
    generator = Generator(model, Normalisation.of(processor.image_processor), end_tokens(model.generation_config))
    return generator.answers(prompt, patched, MOST)


@pytest.fixture(scope="module")
def on_gpu(demo: Demo, processor: Any) -> Generator:
    loaded = load_model(demo.checkpoint, (), ModelConfig(dtype="float32"), torch.device("cuda", 0))
    return Generator(loaded, Normalisation.of(processor.image_processor), end_tokens(loaded.generation_config))


def sources(photos: list[Patched], size: int) -> Any:
    """Photos that enter a batch of `size` as others leave it, answers of two lengths."""
    asked = [Asked(number, photo, 9 if number % 3 == 1 else MOST) for number, photo in enumerate(photos)]

    def source(rows: int) -> list[Asked]:
        entering = asked[: size - rows]
        del asked[: size - rows]
        return entering

    return source


def test_shapes_are_few_and_hold_what_is_asked() -> None:
    prefix = [(torch.zeros(1, 2, 10, 4), torch.zeros(1, 2, 10, 4))]
    slots = Slots(prefix)
    slots.reserve(44, 1000)
    shapes = {_shape(rows, seen, slots) for rows in range(1, 45) for seen in range(11, 1001)}
    assert all(rows <= slots.slots and seen <= slots.room for rows, seen in shapes)
    assert {rows for rows, _ in shapes} == {1, 2, 4, 8, 16, 24, 32, 40, 44}
    assert {seen for _, seen in shapes} == {ROUND * number for number in range(1, 9)}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("size", [1, 3, 12])
def test_recorded_steps_give_what_the_cpu_gives(
    on_gpu: Generator, prompt: PromptIds, patched: list[Patched], on_cpu: list[list[int]], size: int
) -> None:
    want = [answer[: 9 if number % 3 == 1 else MOST] for number, answer in enumerate(on_cpu)]
    for _ in range(2):  # from recordings that are there
        found = dict(on_gpu.run(prompt, sources(patched, size)))
        assert [found[number] for number in range(len(patched))] == want
    assert on_gpu._steps is not None
    assert on_gpu._steps._recorded


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_16_bits_answer_like_float32_mostly(
    demo: Demo, processor: Any, prompt: PromptIds, patched: list[Patched], on_cpu: list[list[int]]
) -> None:
    loaded = load_model(demo.checkpoint, (), ModelConfig(), torch.device("cuda", 0))
    half = Generator(loaded, Normalisation.of(processor.image_processor), end_tokens(loaded.generation_config))
    found = half.answers(prompt, patched, MOST)
    assert sum(one == other for one, other in zip(found, on_cpu, strict=True)) > len(patched) // 2
