"""Dense captions as answers: which pictures make a batch, and what each token counts. Knows no schedule."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from infra.demo.coach import Course, Grid
from infra.demo.learner import IGNORED, Batch, Learner, mixed
from infra.demo.pictures import Picture
from infra.demo.prompting import conversation, edited
from infra.demo.tokenizer import IM_END
from infra.demo.wording import dense_caption
from tasks.dense.prompts import dense_prompt

TOKENS = 4500  # of answers in a dense batch, padding included
UNITS_WEIGHT = 0.4  # of a coordinate's last digit in the loss: a thousandth of the photo cannot be seen


@dataclass
class DenseCourse:
    """The pictures of a course with their captions, by grid and from the shortest answer to the longest."""

    course: Course
    answers: dict[Grid, list[list[int]]] = field(init=False)
    lessons: dict[Grid, list[Picture]] = field(init=False)
    indices: dict[Grid, list[int]] = field(init=False)  # where each picture is among the course's own lessons

    def __post_init__(self) -> None:
        self.answers, self.lessons, self.indices = {}, {}, {}
        for grid, pictures in self.course.lessons.items():
            answers = [self.answer(picture) for picture in pictures]
            order = sorted(range(len(pictures)), key=lambda i: len(answers[i]))
            self.indices[grid] = order
            self.answers[grid], self.lessons[grid] = [answers[i] for i in order], [pictures[i] for i in order]

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


def right_tokens(learner: Learner, dense: DenseCourse) -> dict[str, float]:
    """Shares of held-out captions' tokens, units aside, that are the likeliest after the right ones before them."""
    right: dict[str, list[Tensor]] = {"digits": [], "others": [], "captions": []}
    digits = dense._digits[0]
    for grid, pictures in dense.course.quiz.items():
        batch = dense.batch(grid, [dense.answer(picture) for picture in pictures[:16]], real=True)
        with torch.no_grad(), mixed():
            logits, labels = learner.answer_logits(learner.features(pictures[:16]), batch)
        fine = (logits.argmax(-1) == labels) | (labels == IGNORED) | (dense.weights(labels) < 1)
        judged = (labels != IGNORED) & (dense.weights(labels) == 1)
        is_digit = torch.isin(labels, digits)
        right["digits"].append(fine[judged & is_digit])
        right["others"].append(fine[judged & ~is_digit])
        right["captions"].append((fine | is_digit).all(1))
    return {name: round(float(torch.cat(parts).float().mean()), 4) for name, parts in right.items()}
