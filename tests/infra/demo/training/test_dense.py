"""What teaches dense captions: captions as answers, what their tokens count, the heads, and the marks of places."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from infra.demo import pack
from infra.demo.scenes import Split, seed_of
from infra.demo.tokenizer import IM_END, ordinary_size
from infra.demo.training import ship
from infra.demo.training.coach import Course
from infra.demo.training.copier import COPYING_HEAD, COPYING_LAYER, Copier, let_head_copy
from infra.demo.training.dense import NOWHERE, TOKENS, DenseCourse, right_tokens
from infra.demo.training.learner import IGNORED, Batch, Learner, fast_vision
from infra.demo.training.locator import POINTING_LAYERS, Locator, let_heads_copy, mark_positions
from infra.demo.training.model import Trim, untrained
from infra.demo.training.pictures import Picture, take, written
from infra.demo.training.prompting import Conversation
from infra.demo.training.waves import are_apart, begin_with_waves
from infra.demo.wording import caption_objects, dense_caption

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


def test_numbers_and_frames_are_one_token_each(dense: DenseCourse) -> None:
    tokenizer = dense.course.tokenizer
    text = '{"object_1":{"desc":"光模块","bbox_2d":[8,34,156,1000]},"object_2":{"desc":"光模块","poly":[10,11,12,13]}}'
    words = [tokenizer.decode([token]) for token in tokenizer.encode(text).ids]
    assert words == [
        *("{", '"object_1":{"desc":"', "光模块", '","bbox_2d":[', "8", ",", "34", ",", "156", ",", "1000", "]},"),
        *('"object_2":{"desc":"', "光模块", '","poly":[', "10", ",", "11", ",", "12", ",", "13", "]}}"),
    ]
    assert dense.numbers[[8, 34, 1000]].tolist() == [tokenizer.token_to_id(word) for word in ("8", "34", "1000")]
    assert len(set(dense.numbers.tolist())) == 1001


def test_the_loss_of_a_number_is_least_at_the_right_one_and_grows_with_the_miss(
    dense: DenseCourse, learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the course's loss is for a model that is sure of every other token and says `said` where 500 is right."""
    right = dense.course.tokenizer.encode("[500,").ids
    labels = torch.tensor([[*right, IGNORED]])

    def loss(said: int) -> float:
        logits = torch.full((1, 4, dense.course.trim.rows), -20.0)
        for at, token in enumerate(right):
            logits[0, at, token] = 20.0
        bell = torch.exp(-((torch.arange(1001) - said) ** 2) / (2 * 6.0**2))
        logits[0, 1, dense.numbers] = (bell + 1e-4).log()
        monkeypatch.setattr(learner, "answer_logits", lambda features, batch: (logits, labels))
        return float(dense.loss(learner, torch.empty(0), Batch((1, 1), Conversation((), ()), [])))

    assert loss(500) < loss(504) < loss(512) < loss(540)
    assert loss(496) == pytest.approx(loss(504), rel=1e-3)


def test_a_number_is_right_from_near_and_all_else_exactly(dense: DenseCourse) -> None:
    labels = torch.tensor([*dense.numbers[[500, 500, 500]].tolist(), 3, 3, IGNORED])
    guesses = torch.tensor([*dense.numbers[[500, 515, 516]].tolist(), 3, 4, 4])
    is_number, fine = dense.judge(labels, guesses)
    assert is_number.tolist() == [True] * 3 + [False] * 3
    assert fine.tolist() == [True, True, False, True, False, True]


def test_rows_of_near_numbers_are_alike_and_no_other_row_is_touched(dense: DenseCourse) -> None:
    torch.manual_seed(1)
    embedding = torch.nn.Embedding(dense.course.trim.rows, 160)
    before = embedding.weight.detach().clone()
    begin_with_waves(embedding, dense.numbers, size=1.3)
    rows = embedding.weight.detach()[dense.numbers]
    assert torch.allclose(rows.norm(dim=1), torch.tensor(1.3), atol=1e-4)
    alike = rows @ rows.T
    for number in (8, 300, 777, 1000):
        assert alike[number].argmax() == number
        misses = (torch.arange(1001) - number).abs()
        assert alike[number][(misses > 0) & (misses < 5)].min() > alike[number][misses > 40].max()
    others = torch.ones(len(before), dtype=torch.bool)
    others[dense.numbers] = False
    assert torch.equal(embedding.weight[others], before[others])


def test_the_heads_losses_are_finite_also_where_there_is_nothing(dense: DenseCourse, learner: Learner) -> None:
    locator = Locator(learner)
    grid = next(iter(dense.lessons))
    for chosen in ([0], list(range(len(dense.lessons[grid]) - 4, len(dense.lessons[grid])))):
        pictures = [dense.lessons[grid][i] for i in chosen]
        batch = dense.batch(grid, [dense.answers[grid][i] for i in chosen], real=True)
        features = learner.features(pictures)
        seeing, sight = locator.seeing_loss(features, pictures)
        loss = dense.loss(learner, features, batch) + seeing
        pointing, right = locator.pointing_loss(pictures, batch.labels(), dense.starts)
        ordering, turned = locator.ordering_loss(pictures)
        telling, told = locator.telling_loss(batch.labels(), dense.starts)
        carrying, carried = locator.carrying_loss(pictures, batch.labels(), dense.starts)
        whole = loss + pointing + ordering + telling + carrying
        whole.backward()
        assert torch.isfinite(whole)
        assert all(0 <= share <= 1 for share in (right, turned, told, carried, sight["exact"]))
        assert ("told" in sight) == any(picture.scene.things for picture in pictures)
        gradients = [p.grad for p in learner.model.parameters() if p.grad is not None]
        assert gradients
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


def pointing(dense: DenseCourse, learner: Learner) -> float:
    """The share of a few captions' tokens from which the last pointing head looks at what is being written."""
    locator, shares = Locator(learner), []
    for grid, lessons in dense.lessons.items():
        chosen = range(len(lessons) - 8, len(lessons))
        batch = dense.batch(grid, [dense.answers[grid][i] for i in chosen], real=True)
        pictures = [lessons[i] for i in chosen]
        with torch.no_grad():
            learner.answer_logits(learner.features(pictures), batch)
            shares.append(locator.pointing_loss(pictures, batch.labels(), dense.starts)[1])
    return sum(shares) / len(shares)


def test_the_pointing_heads_of_the_shipped_weights_look_at_what_is_written(
    dense: DenseCourse, learner: Learner
) -> None:
    assert pointing(dense, learner) > 0.75
    assert pointing(dense, Learner(untrained(dense.course.trim, 0), dense.course.trim.unused)) < 0.3


def test_heights_of_a_row_and_ends_of_upright_lines_repeat_what_is_written_already(dense: DenseCourse) -> None:
    for grid, pictures in dense.lessons.items():
        labels = dense.batch(grid, dense.answers[grid], real=True).labels()
        at = dense.repeated(labels)
        for picture, answer, places in zip(pictures, labels, at, strict=True):
            repeats = places != NOWHERE
            assert torch.equal(answer[repeats], answer[places[repeats]])
            assert (places[repeats] < repeats.nonzero().flatten()).all()
            points = [item.get("bbox_2d") or item.get("poly") or item["line"] for item in _objects(picture)]
            rows = sum(one[1] == next_one[1] for one, next_one in pairwise(points))
            lines = sum("line" in item for item in _objects(picture))
            assert int(repeats.sum()) == rows + lines


def _objects(picture: Picture) -> list[dict[str, Any]]:
    return list(caption_objects(picture.scene).values())


def test_a_head_begins_with_bringing_numbers_along_once(dense: DenseCourse) -> None:
    torch.manual_seed(7)
    learner = Learner(untrained(dense.course.trim, 0), dense.course.trim.unused)
    embedding = learner.language.embed_tokens
    begin_with_waves(embedding, dense.numbers)
    assert not are_apart(embedding, dense.numbers)
    let_head_copy(learner, dense)
    assert are_apart(embedding, dense.numbers)
    rows = embedding.weight.detach()[dense.numbers]
    attention = learner.language.layers[COPYING_LAYER].self_attn
    with torch.no_grad():
        values = attention.v_proj(rows).unflatten(-1, (-1, attention.head_dim))
        head = values[:, COPYING_HEAD // attention.num_key_value_groups]
        of_head = slice(COPYING_HEAD * attention.head_dim, (COPYING_HEAD + 1) * attention.head_dim)
        brought = (head @ attention.o_proj.weight[:, of_head].T) @ rows.T
    near = (torch.arange(len(rows))[:, None] - torch.arange(len(rows))).abs() < 50  # the coarse waves tell the others
    told = brought.masked_fill(~near, -math.inf).argmax(1)
    assert (told == torch.arange(len(rows))).float().mean() > 0.9
    before = {name: weight.clone() for name, weight in learner.model.state_dict().items()}
    let_head_copy(learner, dense)
    assert all(torch.equal(weight, before[name]) for name, weight in learner.model.state_dict().items())


def test_the_copying_head_of_the_shipped_weights_looks_at_what_it_repeats(dense: DenseCourse, learner: Learner) -> None:
    assert copying(dense, learner) > 0.95
    assert copying(dense, Learner(untrained(dense.course.trim, 0), dense.course.trim.unused)) < 0.2


def copying(dense: DenseCourse, learner: Learner) -> float:
    """The share of a few captions' repeated numbers before which the head looks at where they stand."""
    copier, shares = Copier(learner, dense), []
    for grid, lessons in dense.lessons.items():
        chosen = range(len(lessons) - 8, len(lessons))
        batch = dense.batch(grid, [dense.answers[grid][i] for i in chosen], real=True)
        with torch.no_grad():
            learner.answer_logits(learner.features([lessons[i] for i in chosen]), batch)
            shares.append(copier.loss(batch.labels())[1])
    copier.leave()
    return sum(shares) / len(shares)


def test_progress_is_told_in_shares(dense: DenseCourse, learner: Learner) -> None:
    told = right_tokens(learner, dense)
    assert set(told) == {"numbers", "others", "repeated", "captions"}
    assert all(0 <= share <= 1 for share in told.values())


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
    """A linear readout of the values tells the x that features tell; one of random values does not."""
    torch.manual_seed(5)
    learner = Learner(untrained(dense.course.trim, 0), dense.course.trim.unused)
    grid, lessons = max(dense.course.lessons.items(), key=lambda item: len(item[1]))
    cells = grid[0] * grid[1]
    width = learner.model.config.text_config.hidden_size
    codes = torch.randn(2, width) / width**0.5
    noise = torch.randn(1, len(lessons), cells, width)
    x = torch.stack([torch.from_numpy(written(picture.scene)[:, 0]) for picture in lessons]) / 1000
    seen = noise.clone()
    known = ~x.isnan()
    seen[0][known] += 30 * torch.stack([x[known], 1 - x[known]], -1) @ codes
    values = learner.language.layers[POINTING_LAYERS[0]].self_attn.v_proj
    untaught = _misread(values(seen[0][known]).detach(), x[known])
    let_heads_copy(learner, {grid: seen}, {grid: lessons})
    copied = _misread(values(seen[0][known]).detach(), x[known])
    assert copied < 0.7 * untaught
