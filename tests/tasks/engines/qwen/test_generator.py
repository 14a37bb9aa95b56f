"""Batches answered by hand, held to transformers' own `generate`, one photo at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tasks.engines.loading import end_tokens
from tasks.engines.photos import Patches, Shown
from tasks.engines.prompting import PromptEncoder, PromptIds
from tasks.engines.qwen import generator as module
from tasks.engines.qwen.decode_steps import DecodeSteps
from tasks.engines.qwen.generator import Generator
from tasks.engines.qwen.kv_slots import ROUND
from tasks.engines.qwen.vision import Normalisation
from tasks.engines.sequence import Sequence
from tests.tasks.engines.qwen.sources import Ask, keeping

MOST = 48


@pytest.fixture(scope="module")
def generator(model: Any, processor: Any) -> Generator:
    return Generator(model, Normalisation.of(processor.image_processor), end_tokens(model.generation_config))


@pytest.fixture(scope="module")
def expected(model: Any, processor: Any, prompt: PromptIds, photos: list[Shown]) -> list[list[int]]:
    """Each photo's answer by `generate`, up to and with its end token."""
    ends = end_tokens(model.generation_config)
    answers = []
    for shown in photos:
        given = processor.image_processor(images=[shown.picture], do_resize=False, return_tensors="pt")
        ids = torch.tensor([PromptEncoder(processor).with_photo(prompt, shown.visual_tokens)])
        kinds = (ids == processor.image_token_id).long()
        found = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=kinds,
            pixel_values=given["pixel_values"],
            image_grid_thw=given["image_grid_thw"],
            max_new_tokens=MOST,
            do_sample=False,
        )[0, ids.shape[1] :].tolist()
        answers.append(found)
        assert len(found) == MOST or found[-1] in ends
    return answers


def outputs(generator: Generator, sequences: list[Sequence]) -> list[list[int]]:
    return [one.output for one in generator.answer(sequences)]


def test_answers_are_those_of_generate_alone_and_together(
    generator: Generator, ask: Ask, patches: list[Patches], expected: list[list[int]]
) -> None:
    assert len({len(answer) for answer in expected}) > 3
    assert len({photo.grid for photo in patches}) > 3
    assert outputs(generator, [ask(number, MOST) for number in range(len(expected))]) == expected
    for number in range(0, len(expected), 3):
        assert outputs(generator, [ask(number, MOST)]) == [expected[number]]


@pytest.mark.parametrize("leaving", [0.0, 0.5, 1.0])
def test_rows_may_leave_at_once_or_never(
    generator: Generator, ask: Ask, expected: list[list[int]], leaving: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAVING", leaving)
    sizes: list[int] = []
    step = generator._step

    def counted(steps: DecodeSteps, rows: list[Sequence]) -> torch.Tensor:
        sizes.append(len(rows))
        return step(steps, rows)

    monkeypatch.setattr(generator, "_step", counted)
    assert outputs(generator, [ask(number, MOST) for number in range(len(expected))]) == expected
    assert sizes[0] == len(expected)
    assert (sizes[-1] == sizes[0]) == (leaving == 1.0)


def test_an_answer_is_cut_at_the_limit(generator: Generator, ask: Ask, expected: list[list[int]]) -> None:
    for most in (1, 5):
        found = generator.answer([ask(number, most) for number in range(4)])
        assert [one.output for one in found] == [answer[:most] for answer in expected[:4]]
        assert {one.finish_reason for one in found} == {"length"}


def test_tokens_are_told_as_they_come(generator: Generator, ask: Ask, expected: list[list[int]]) -> None:
    heard: list[int] = []
    one = ask(0, MOST)
    assert list(generator.run(one.prompt.shared, keeping(1, [one]), heard.append)) == [one]
    assert heard == one.output == expected[0]


def test_another_prompt_is_not_answered_from_the_shared_part_of_the_first(
    generator: Generator, prompt: PromptIds, ask: Ask, expected: list[list[int]]
) -> None:
    """Shared parts are kept by what they are: more prompts than are kept, and the first again at the end."""
    for number in range(6):
        other = PromptIds(prompt.shared[: 4 + number] + prompt.shared[-1:], prompt.own)
        generator.answer([ask(0, 2, prompt=other)])
    assert outputs(generator, [ask(0, MOST), ask(1, MOST)]) == expected[:2]


@pytest.mark.parametrize(("size", "least"), [(1, 1), (3, 1), (5, 2), (8, 8)])
def test_photos_join_a_batch_as_others_leave_it(
    generator: Generator, ask: Ask, patches: list[Patches], expected: list[list[int]], size: int, least: int
) -> None:
    """From the smallest photo to the largest, which then has to find room beside answers that are long under way.

    Every third photo may have few tokens only.
    """
    order = (sorted(range(len(patches)), key=lambda number: len(patches[number].pixels)) * 2)[: 4 * size]
    limits = [5 if place % 3 == 1 else MOST for place in range(len(order))]
    asked = [ask(number, most) for number, most in zip(order, limits, strict=True)]
    inside: list[int] = []
    enter = keeping(size, asked, least)

    def source(running: int) -> list[Sequence]:
        inside.append(running)
        return enter(running)

    assert len(list(generator.run(asked[0].prompt.shared, source))) == len(asked)
    assert [one.output for one in asked] == [
        expected[number][:most] for number, most in zip(order, limits, strict=True)
    ]
    assert max(inside) == size


def test_slots_that_rows_leave_and_join_for_long_do_not_grow(
    generator: Generator, prompt: PromptIds, ask: Ask, patches: list[Patches], monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    taken: list[tuple[int, int]] = []
    step = generator._step

    def measured(steps: DecodeSteps, *rest: Any) -> torch.Tensor:
        tokens = step(steps, *rest)
        used.extend(steps.slots.used)
        taken.append((steps.slots.slots, steps.slots.room))
        return tokens

    monkeypatch.setattr(generator, "_steps", None)
    monkeypatch.setattr(generator, "_step", measured)
    asked = [ask(number % len(patches), 12) for number in range(2 * len(patches))]
    assert len(list(generator.run(prompt.shared, keeping(3, asked)))) == len(asked)
    longest = len(prompt) + max(len(photo.pixels) // 4 for photo in patches) + 12
    assert max(used) <= longest
    assert max(slots * room for slots, room in taken) <= 3 * (longest + ROUND)


@pytest.mark.parametrize("lag", [1, 2])
def test_steps_may_be_begun_before_the_tokens_of_the_last_are_known(
    generator: Generator,
    ask: Ask,
    patches: list[Patches],
    expected: list[list[int]],
    lag: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a device does that works by itself."""
    monkeypatch.setattr(generator, "lag", lag)
    monkeypatch.setattr(generator, "_steps", None)
    order = sorted(range(len(patches)), key=lambda number: -len(patches[number].pixels))
    asked = [ask(number, 7 if number % 3 else MOST) for number in order]
    assert len(list(generator.run(asked[0].prompt.shared, keeping(4, asked)))) == len(asked)
    found = {int(one.request.id): one.output for one in asked}
    assert [found[number] for number in range(len(patches))] == [
        answer[: 7 if number % 3 else MOST] for number, answer in enumerate(expected)
    ]


def test_nothing_to_answer_is_nothing(generator: Generator) -> None:
    assert generator.answer([]) == []
