"""Phase D: the finished summariser learns dense captions too, and keeps its summaries. Knows no files."""

from __future__ import annotations

import copy
import logging
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional

from infra.demo.coach import Course, Grid, run_phase
from infra.demo.learner import IGNORED, Batch, Learner
from infra.demo.locator import Locator, mark_positions, pass_positions
from infra.demo.pictures import Picture
from infra.demo.prompting import conversation, edited
from infra.demo.tokenizer import IM_END
from infra.demo.wording import dense_caption
from tasks.dense.prompts import dense_prompt

SUMMARY_SHARE = 0.2  # of the batches of phase D ask for summaries
TOKENS = 4500  # of answers in a dense batch, padding included
KEEPING = 2.0  # what it costs in phase E that the tower's features drift: the summaries are read from them
UNITS_WEIGHT = 0.4  # of a coordinate's last digit in the loss: a thousandth of the photo cannot be seen

log = logging.getLogger(__name__)


@dataclass
class DenseCourse:
    """The pictures of a course with their captions, by grid and from the shortest answer to the longest."""

    course: Course
    answers: dict[Grid, list[list[int]]] = field(init=False)
    lessons: dict[Grid, list[Picture]] = field(init=False)

    def __post_init__(self) -> None:
        self.answers, self.lessons = {}, {}
        for grid, pictures in self.course.lessons.items():
            pairs = sorted(zip(map(self.answer, pictures), pictures, strict=True), key=lambda pair: len(pair[0]))
            self.answers[grid], self.lessons[grid] = [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    def answer(self, picture: Picture) -> list[int]:
        """The caption's trimmed tokens, the end of the turn included."""
        ids = self.course.tokenizer.encode(dense_caption(picture.scene)).ids
        return [self.course.trim.small(token) for token in (*ids, IM_END)]

    def draw(self) -> tuple[Grid, list[int]]:
        """A grid and some of its pictures of like answer length: as many as `TOKENS` allow, at most 32."""
        rng = self.course.rng
        grids = list(self.lessons)
        grid = rng.choices(grids, [len(self.lessons[grid]) for grid in grids])[0]
        answers = self.answers[grid]
        longest = len(answers[rng.randrange(len(answers))])
        last = bisect_left(answers, longest + 1, key=len)
        size = min(32, max(1, TOKENS // longest), last)
        first = min(bisect_left(answers, longest - 30, key=len), last - size)
        return grid, rng.sample(range(first, last), size)

    def batch(self, grid: Grid, answers: Sequence[Sequence[int]], real: bool = False) -> Batch:
        """The answers under the dense prompt, which half of the time is edited unless it must be the real one."""
        prompt = dense_prompt() if real else edited(dense_prompt(), self.course.rng)
        return Batch(grid, conversation(prompt, self.course.tokenizer, self.course.trim), answers)

    def weights(self, labels: Tensor) -> Tensor:
        """What each token of the answers counts in the loss."""
        digits, ends = self._digits
        following = functional.pad(labels[:, 1:], (0, 1), value=IGNORED)
        units = torch.isin(labels, digits) & torch.isin(following, ends)
        return torch.where(units, UNITS_WEIGHT, 1.0)

    @property
    def _digits(self) -> tuple[Tensor, Tensor]:
        tokenizer = self.course.tokenizer
        return (
            torch.tensor([tokenizer.token_to_id(str(digit)) for digit in range(10)]),
            torch.tensor([tokenizer.token_to_id(token) for token in (",", "]}")]),
        )


def learn_dense(learner: Learner, course: Course, seed: int, steps: tuple[int, int], look: Callable[[], float]) -> None:
    """Phases E (the tower learns where things are) and D (both learn captions, and keep summaries).

    `steps` are theirs. Without phase E the weights must have been through it.
    """
    dense = DenseCourse(replace(course, rng=random.Random(f"dense {seed}")))
    rng = dense.course.rng
    (name,) = course.tokenizer.encode("object").ids  # begins every object's name
    torch.manual_seed(seed)
    before = copy.deepcopy(learner.vision)
    if steps[0]:
        mark_positions(learner, next(iter(course.lessons.values()))[:64])
    locator = Locator(learner)
    drifts: list[float] = []
    sights: list[tuple[float, ...]] = []
    points: list[float] = []

    def recent() -> str:
        return " ".join(f"{sum(values) / len(values):.3f}" for values in zip(*filter(None, sights[-20:]), strict=True))

    def watch() -> Tensor:
        grid, chosen = dense.course.draw(32)
        pictures = [dense.lessons[grid][i] for i in chosen]
        features = learner.features(pictures)
        loss, sight = locator.seeing_loss(features, pictures)
        sights.append(sight)
        learner.vision, tower = before, learner.vision
        with torch.no_grad():
            known = learner.features(pictures)
        learner.vision = tower
        drift = (features - known).float().square().mean((1, 2, 3)) / known.float().square().mean((1, 2, 3))
        drifts.append(float(drift.detach().mean()))
        return loss + KEEPING * drift.sum()

    def glance() -> float:
        log.info("errors of boxes and numbers, right turns: %s; drift %.4f", recent(), sum(drifts[-20:]) / 20)
        return look()

    def answer() -> Tensor:
        if rng.random() < SUMMARY_SHARE:
            grid, chosen = dense.course.draw(32)
            pictures = [dense.lessons[grid][i] for i in chosen]
            loss = learner.answer_loss(learner.features(pictures), dense.course.summary_batch(grid, pictures))
            return loss + 0.2 * learner.last_counting_loss(pictures)
        grid, chosen = dense.draw()
        pictures = [dense.lessons[grid][i] for i in chosen]
        batch = dense.batch(grid, [dense.answers[grid][i] for i in chosen])
        features = learner.features(pictures)
        loss = learner.answer_loss(features, batch, dense.weights)
        reading, right = locator.reading_loss(pictures, batch.labels(), name)
        points.append(right)
        seeing, sight = locator.seeing_loss(features, pictures)
        sights.append(sight)
        return loss + 0.3 * reading + 0.3 * seeing + 0.1 * learner.last_counting_loss(pictures)

    def progress() -> float:
        log.info("%s; pointing %.3f; right tokens %s", recent(), sum(points[-10:]) / 10, right_tokens(learner, dense))
        return look()

    vision = list(learner.vision.parameters())
    heads = [*learner.counters.parameters(), *locator.parameters()]
    run_phase("E", vision, watch, steps[0], 1.2e-3, glance, every=50, others=[(heads, 1.0)])
    if steps[0]:
        pass_positions(learner, {grid: pictures[:60] for grid, pictures in course.lessons.items()})
    run_phase(
        "D", learner.language.parameters(), answer, steps[1], 1.2e-3, progress, others=[(vision, 0.25), (heads, 2.0)]
    )


def right_tokens(learner: Learner, dense: DenseCourse) -> dict[str, float]:
    """Shares of held-out captions' tokens, units aside, that are the likeliest after the right ones before them."""
    right: dict[str, list[Tensor]] = {"digits": [], "others": [], "captions": []}
    digits = dense._digits[0]
    for grid, pictures in dense.course.quiz.items():
        batch = dense.batch(grid, [dense.answer(picture) for picture in pictures[:16]], real=True)
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            logits, labels = learner.answer_logits(learner.features(pictures[:16]), batch)
        fine = (logits.argmax(-1) == labels) | (labels == IGNORED) | (dense.weights(labels) < 1)
        judged = (labels != IGNORED) & (dense.weights(labels) == 1)
        is_digit = torch.isin(labels, digits)
        right["digits"].append(fine[judged & is_digit])
        right["others"].append(fine[judged & ~is_digit])
        right["captions"].append((fine | is_digit).all(1))
    return {name: round(float(torch.cat(parts).float().mean()), 4) for name, parts in right.items()}
