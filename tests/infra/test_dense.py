"""What phases E and D are made of: captions as answers, what their tokens count, the heads, and the places of cells."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor

from infra.demo import pack, ship
from infra.demo.coach import Course
from infra.demo.dense import TOKENS, DenseCourse, right_tokens
from infra.demo.learner import IGNORED, Learner, fast_vision
from infra.demo.locator import Locator, mark_positions, pass_positions
from infra.demo.model import Trim, untrained
from infra.demo.pictures import Picture, take
from infra.demo.scenes import Split, seed_of
from infra.demo.tokenizer import IM_END, ordinary_size
from infra.demo.wording import dense_caption

Lessons = dict[tuple[int, int], list[Picture]]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with fast_vision():
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    """Pictures of a few grids, at least 16 of each."""
    pictures = [take(seed_of(Split.TESTS, 7000 + i)) for i in range(200)]
    grids = {picture.scene.grid for picture in pictures}
    by_grid = {grid: [p for p in pictures if p.scene.grid == grid] for grid in sorted(grids)}
    return {grid: some for grid, some in by_grid.items() if len(some) >= 32}


@pytest.fixture(scope="module")
def dense(lessons: Lessons) -> DenseCourse:
    tokenizer = Tokenizer.from_file(str(pack.DEMO / "checkpoint" / "tokenizer.json"))
    quiz = {grid: some[:4] for grid, some in lessons.items()}
    return DenseCourse(Course(tokenizer, Trim(ordinary_size(tokenizer)), lessons, quiz, random.Random(0)))


@pytest.fixture
def learner(dense: DenseCourse) -> Learner:
    """A learner with the shipped weights."""
    learner = Learner(untrained(dense.course.trim, 0), dense.course.trim.unused)
    ship.load_shipped(learner.model, pack.DEMO / "checkpoint")
    return learner


def test_answers_are_the_captions_and_end_the_turn(dense: DenseCourse) -> None:
    trim, tokenizer = dense.course.trim, dense.course.tokenizer
    for grid, pictures in dense.lessons.items():
        assert [len(answer) for answer in dense.answers[grid]] == sorted(map(len, dense.answers[grid]))
        for picture, answer in zip(pictures, dense.answers[grid], strict=True):
            assert answer[-1] == trim.small(IM_END)
            assert tokenizer.decode(answer[:-1]) == dense_caption(picture.scene)


def test_a_batch_has_answers_of_like_length_and_no_more_tokens_than_allowed(dense: DenseCourse) -> None:
    for _ in range(50):
        grid, chosen = dense.draw()
        lengths = [len(dense.answers[grid][i]) for i in chosen]
        assert 1 <= len(set(chosen)) == len(chosen) <= 32
        assert max(lengths) * len(lengths) <= TOKENS


def test_only_the_last_digits_of_coordinates_count_for_less(dense: DenseCourse) -> None:
    tokenizer = dense.course.tokenizer
    text = (
        '{"object_1":{"desc":"标签","bbox_2d":[8,34,156,1000]},"object_12":{"desc":"标签","bbox_2d":[9,35,156,1000]}}'
    )
    ids = tokenizer.encode(text).ids
    weights = dense.weights(torch.tensor([[*ids, IGNORED]]))[0]
    less = [tokenizer.decode([token]) for token, weight in zip(ids, weights.tolist(), strict=False) if weight < 1]
    assert less == ["8", "4", "6", "0", "9", "5", "6", "0"]


def test_the_heads_losses_are_finite_also_where_there_is_nothing(dense: DenseCourse, learner: Learner) -> None:
    locator = Locator(learner)
    (name,) = dense.course.tokenizer.encode("object").ids
    grid = next(iter(dense.lessons))
    for chosen in ([0], list(range(len(dense.lessons[grid]) - 4, len(dense.lessons[grid])))):
        pictures = [dense.lessons[grid][i] for i in chosen]
        batch = dense.batch(grid, [dense.answers[grid][i] for i in chosen], real=True)
        features = learner.features(pictures)
        loss = learner.answer_loss(features, batch, dense.weights) + locator.seeing_loss(features, pictures)[0]
        reading, right = locator.reading_loss(pictures, batch.labels(), name)
        (loss + reading).backward()
        assert torch.isfinite(loss + reading)
        assert 0 <= right <= 1
        gradients = [p.grad for p in learner.model.parameters() if p.grad is not None]
        assert gradients
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_progress_is_told_in_shares(dense: DenseCourse, learner: Learner) -> None:
    assert all(0 <= share <= 1 for share in right_tokens(learner, dense).values())


def test_marks_and_passes_let_a_cells_place_be_read_off_and_leave_the_rest_alone(
    learner: Learner, lessons: Lessons
) -> None:
    def seen() -> Tensor:
        with torch.no_grad():
            return torch.cat([learner.features(some)[0].flatten(0, 1) for some in lessons.values()])

    before = seen()
    place = torch.cat(
        [((torch.arange(cols * rows) % cols + 0.5) / cols).repeat(len(some)) for (cols, rows), some in lessons.items()]
    )
    mark_positions(learner, next(iter(lessons.values()))[:16])
    pass_positions(learner, lessons)
    after = seen()
    assert (after - before).square().mean() < 0.15 * before.square().mean()
    assert _misread(after, place) < 0.5 * _misread(before, place)


def _misread(features: Tensor, place: Tensor) -> float:
    """Mean error of a linear readout of the place, on every fifth cell, fitted on the others."""
    design = torch.cat([features, torch.ones(len(features), 1)], 1).double()
    held = torch.arange(len(design)) % 5 == 0
    weights = torch.linalg.lstsq(design[~held], place[~held, None].double()).solution
    return float((design[held] @ weights - place[held, None]).abs().mean())
