"""What teaches dense captions: captions as answers, what their tokens count, the heads, and the marks of places."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import torch
from tokenizers import Tokenizer

from infra.demo import pack, ship
from infra.demo.coach import Course
from infra.demo.dense import TOKENS, DenseCourse, right_tokens
from infra.demo.learner import IGNORED, Learner, fast_vision
from infra.demo.locator import POINTING_LAYERS, Locator, let_heads_copy, mark_positions
from infra.demo.model import Trim, untrained
from infra.demo.pictures import Picture, take, written
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
        seeing, sight = locator.seeing_loss(features, pictures)
        loss = learner.answer_loss(features, batch, dense.weights) + seeing
        pointing, right = locator.pointing_loss(pictures, batch.labels(), name)
        ordering, turned = locator.ordering_loss(pictures)
        (loss + pointing + ordering).backward()
        assert torch.isfinite(loss + pointing + ordering)
        assert all(0 <= share <= 1 for share in (right, turned, sight["exact"]))
        assert ("tens" in sight) == any(picture.scene.things for picture in pictures)
        gradients = [p.grad for p in learner.model.parameters() if p.grad is not None]
        assert gradients
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_progress_is_told_in_shares(dense: DenseCourse, learner: Learner) -> None:
    assert all(0 <= share <= 1 for share in right_tokens(learner, dense).values())


def test_marks_let_a_patchs_place_be_read_off_the_position_embedding(dense: DenseCourse) -> None:
    torch.manual_seed(3)
    learner = Learner(untrained(dense.course.trim, 0), dense.course.trim.unused)
    table = learner.vision.pos_embed.weight
    before = table.detach().clone()
    mark_positions(learner)
    assert torch.linalg.matrix_rank(table.detach() - before, rtol=1e-3) <= 16
    spot = torch.arange(len(table)) % 16 / 16, torch.arange(len(table)) // 16 / 16
    for place in spot:
        assert _misread(table.detach(), place) < 0.2 * _misread(before, place)


def _misread(features: torch.Tensor, place: torch.Tensor) -> float:
    """Mean error of a linear readout of the place, on every fifth row, fitted on the others with a small ridge."""
    design = torch.cat([features, torch.ones(len(features), 1)], 1).double()
    held = torch.arange(len(design)) % 5 == 0
    ridge = 1e-2 * torch.eye(design.shape[1], dtype=torch.double)
    fitted = design[~held]
    weights = torch.linalg.solve(fitted.T @ fitted + ridge, fitted.T @ place[~held, None].double())
    return float((design[held] @ weights - place[held, None]).abs().mean())


def test_heads_begin_by_copying_what_is_seen_of_a_thing(dense: DenseCourse) -> None:
    """A linear readout of the values tells the hundreds of x that features tell; one of random values does not."""
    torch.manual_seed(5)
    learner = Learner(untrained(dense.course.trim, 0), dense.course.trim.unused)
    grid, lessons = max(dense.course.lessons.items(), key=lambda item: len(item[1]))
    cells = grid[0] * grid[1]
    width = learner.model.config.text_config.hidden_size
    codes = torch.randn(11, width) / width**0.5
    noise = torch.randn(1, len(lessons), cells, width)
    hundreds = torch.stack([torch.from_numpy(written(picture.scene)[:, 0]) for picture in lessons]) // 100
    seen = noise.clone()
    known = ~hundreds.isnan()
    seen[0][known] += 30 * codes[hundreds[known].long()]
    values = learner.language.layers[POINTING_LAYERS[0]].self_attn.v_proj
    untaught = _misread(values(seen[0][known]).detach(), hundreds[known])
    let_heads_copy(learner, {grid: seen}, {grid: lessons})
    copied = _misread(values(seen[0][known]).detach(), hundreds[known])
    assert copied < 0.7 * untaught
