"""Batches answered by hand, held to transformers' own `generate`, one photo at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from tasks.engines.loading import end_tokens
from tasks.engines.photos import Shown
from tasks.engines.prompting import PromptEncoder, PromptIds
from tasks.engines.qwen import generator as module
from tasks.engines.qwen.generator import Asked, Generator
from tasks.engines.qwen.patches import Patched
from tasks.engines.qwen.slots import ROUND
from tasks.engines.qwen.steps import Steps
from tasks.engines.qwen.vision import Normalisation
from tests.tasks.engines.qwen.sources import keeping

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


def test_answers_are_those_of_generate_alone_and_together(
    generator: Generator, prompt: PromptIds, patched: list[Patched], expected: list[list[int]]
) -> None:
    assert len({len(answer) for answer in expected}) > 3
    assert len({photo.grid for photo in patched}) > 3
    assert generator.answers(prompt, patched, MOST) == expected
    for photo, answer in list(zip(patched, expected, strict=True))[::3]:
        assert generator.answers(prompt, [photo], MOST) == [answer]


@pytest.mark.parametrize("leaving", [0.0, 0.5, 1.0])
def test_rows_may_leave_at_once_or_never(
    generator: Generator,
    prompt: PromptIds,
    patched: list[Patched],
    expected: list[list[int]],
    leaving: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LEAVING", leaving)
    sizes: list[int] = []

    class Likeliest:
        """Chooses what is chosen without it."""

        def samples(self, number: int) -> bool:
            return True

        def choose(self, logits: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
            sizes.append(len(numbers))
            return logits.argmax(-1)

    assert generator.answers(prompt, patched, MOST, Likeliest()) == expected
    assert sizes[0] == len(patched)
    assert (sizes[-1] == sizes[0]) == (leaving == 1.0)


def test_an_answer_is_cut_at_the_limit(
    generator: Generator, prompt: PromptIds, patched: list[Patched], expected: list[list[int]]
) -> None:
    for most in (1, 5):
        assert generator.answers(prompt, patched[:4], most) == [answer[:most] for answer in expected[:4]]


def test_tokens_are_told_as_they_come(
    generator: Generator, prompt: PromptIds, patched: list[Patched], expected: list[list[int]]
) -> None:
    heard: list[list[int]] = [[] for _ in patched]
    generator.answers(prompt, patched, MOST, on_token=lambda photo, token: heard[photo].append(token))
    assert heard == expected


def test_another_prompt_is_not_answered_from_the_prefix_of_the_first(
    generator: Generator, prompt: PromptIds, patched: list[Patched], expected: list[list[int]]
) -> None:
    """Prefixes are kept by what they are: more prompts than are kept, and the first again at the end."""
    for number in range(6):
        other = PromptIds(prompt.before[: 4 + number] + prompt.before[-1:], prompt.after)
        generator.answers(other, patched[:1], 2)
    assert generator.answers(prompt, patched[:2], MOST) == expected[:2]


@pytest.mark.parametrize(("size", "least"), [(1, 1), (3, 1), (5, 2), (8, 8)])
def test_photos_join_a_batch_as_others_leave_it(
    generator: Generator,
    prompt: PromptIds,
    patched: list[Patched],
    expected: list[list[int]],
    size: int,
    least: int,
) -> None:
    """From the smallest photo to the largest, which then has to find room beside answers that are long under way.

    Every third photo may have few tokens only.
    """
    order = (sorted(range(len(patched)), key=lambda number: patched[number].patches.shape[0]) * 2)[: 4 * size]
    limits = [5 if place % 3 == 1 else MOST for place in range(len(order))]
    waiting = list(zip(order, limits, strict=True))
    asked = [Asked(place, patched[number], most) for place, (number, most) in enumerate(waiting)]
    inside: list[int] = []
    enter = keeping(size, asked, least)

    def source(rows: int) -> Sequence[Asked]:
        inside.append(rows)
        return enter(rows)

    found = dict(generator.run(prompt, source))
    assert [found[place] for place in range(len(waiting))] == [expected[number][:most] for number, most in waiting]
    assert max(inside) == size


def test_slots_that_rows_leave_and_join_for_long_do_not_grow(
    generator: Generator, prompt: PromptIds, patched: list[Patched], monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    taken: list[tuple[int, int]] = []
    step = generator._step

    def measured(steps: Steps, *rest: Any) -> torch.Tensor:
        tokens = step(steps, *rest)
        held.extend(steps.slots.held)
        taken.append((steps.slots.slots, steps.slots.room))
        return tokens

    monkeypatch.setattr(generator, "_steps", None)
    monkeypatch.setattr(generator, "_step", measured)
    asked = [Asked(number, photo, 12) for number, photo in enumerate(patched * 2)]
    assert len(dict(generator.run(prompt, keeping(3, asked)))) == 2 * len(patched)
    longest = len(prompt) + max(photo.patches.shape[0] // 4 for photo in patched) + 12
    assert max(held) <= longest
    assert max(slots * room for slots, room in taken) <= 3 * (longest + ROUND)


@pytest.mark.parametrize("lag", [1, 2])
def test_steps_may_be_begun_before_the_tokens_of_the_last_are_known(
    generator: Generator,
    prompt: PromptIds,
    patched: list[Patched],
    expected: list[list[int]],
    lag: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a device does that works by itself."""
    monkeypatch.setattr(generator, "lag", lag)
    monkeypatch.setattr(generator, "_steps", None)
    order = sorted(range(len(patched)), key=lambda number: -patched[number].patches.shape[0])
    asked = [Asked(number, patched[number], 7 if number % 3 else MOST) for number in order]
    found = dict(generator.run(prompt, keeping(4, asked)))
    assert [found[number] for number in range(len(patched))] == [
        answer[: 7 if number % 3 else MOST] for number, answer in enumerate(expected)
    ]


def test_nothing_to_answer_is_nothing(generator: Generator, prompt: PromptIds) -> None:
    assert generator.answers(prompt, [], MOST) == []
