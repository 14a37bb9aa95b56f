"""Dense captions as answers: which pictures make a batch, and what each token counts. Knows no schedule."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from infra.demo.tokenizer import GEOMETRIES, IM_END, STARTS
from infra.demo.training.coach import Course, Grid
from infra.demo.training.learner import IGNORED, Batch, Learner, mixed
from infra.demo.training.pictures import Picture
from infra.demo.training.prompting import conversation, edited
from infra.demo.training.waves import SPREAD, likeness, number_tokens
from infra.demo.wording import dense_caption
from tasks.dense.prompts import dense_prompt

TOKENS = 3000  # of answers in a dense batch, padding included
NEAR = 15  # thousandths by which a number may be wrong and still count as told
EXACT = 0.4  # spread of a number that must be told to the thousandth
NOWHERE = -1


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

    @cached_property
    def numbers(self) -> Tensor:
        """The tokens of the numbers 0 to 1000, (1001,)."""
        return number_tokens(self.course.tokenizer)

    @cached_property
    def starts(self) -> Tensor:
        """The tokens that begin an object."""
        return torch.tensor([self.course.tokenizer.token_to_id(start) for start in STARTS])

    @cached_property
    def geometries(self) -> Tensor:
        """The tokens that begin an object's points."""
        return torch.tensor([self.course.tokenizer.token_to_id(name) for name in GEOMETRIES])

    def repeated(self, labels: Tensor) -> Tensor:
        """Where the number stands that a label (n, tokens) must repeat to the thousandth, or NOWHERE.

        These decide the order of a caption: the height of an anchor, if the object before is in the same row, and the
        end of a line that hangs straight down, whose leftmost point is its anchor.
        """
        at = torch.full_like(labels, NOWHERE)
        begins = torch.isin(labels, self.geometries)
        numbers = torch.isin(labels, self.numbers)
        line = self.geometries[-1]
        for row, answer in enumerate(labels):
            (places,) = numbers[row].nonzero(as_tuple=True)
            height = None
            for begin in begins[row].nonzero().flatten():
                first, second, third = places[places > begin][:3]
                if height is not None and answer[second] == answer[height]:
                    at[row, second] = height
                if answer[begin] == line and answer[third] == answer[first]:
                    at[row, third] = first
                height = second
        return at

    def loss(self, learner: Learner, features: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the captions given the pictures' `features`, in which a number's neighbours are half right.

        But a number that is `repeated` must be told exactly. Counts each token alike, a number as much as a comma.
        """
        logits, labels = learner.answer_logits(features, batch)
        known = labels != IGNORED
        repeats = (self.repeated(labels) != NOWHERE)[known]
        logits, labels = learner.with_unused(logits[known]), labels[known]
        is_number = torch.isin(labels, self.numbers)
        told = functional.log_softmax(logits[is_number], -1)[:, self.numbers]
        spread = torch.where(repeats[is_number], EXACT, SPREAD)[:, None]
        near = likeness(self._values(labels[is_number]), torch.arange(len(self.numbers)), spread)
        others = functional.cross_entropy(logits[~is_number], labels[~is_number], reduction="sum")
        return (others - (near * told).sum()) / len(labels)

    def _values(self, tokens: Tensor) -> Tensor:
        """The number that each token of a number (n,) is."""
        return (tokens[:, None] == self.numbers).long().argmax(-1)

    def judge(self, labels: Tensor, guesses: Tensor) -> tuple[Tensor, Tensor]:
        """Which labels are numbers, and which guesses are right: numbers to within NEAR, all else exactly."""
        is_number = torch.isin(labels, self.numbers)
        fine = (guesses == labels) | (labels == IGNORED)
        both = is_number & torch.isin(guesses, self.numbers)
        fine[both] = (self._values(guesses[both]) - self._values(labels[both])).abs() <= NEAR
        return is_number, fine


def right_tokens(learner: Learner, dense: DenseCourse) -> dict[str, float]:
    """Shares of held-out captions' tokens that are the likeliest after the right ones before them, and of captions."""
    right: dict[str, list[Tensor]] = {"numbers": [], "others": [], "repeated": [], "captions": []}
    for grid, pictures in dense.course.quiz.items():
        batch = dense.batch(grid, [dense.answer(picture) for picture in pictures[:16]], real=True)
        with torch.no_grad(), mixed():
            logits, labels = learner.answer_logits(learner.features(pictures[:16]), batch)
        is_number, fine = dense.judge(labels, logits.argmax(-1))
        repeats = dense.repeated(labels) != NOWHERE
        fine[repeats] = (logits.argmax(-1) == labels)[repeats]
        right["repeated"].append(fine[repeats])
        right["numbers"].append(fine[is_number])
        right["others"].append(fine[(labels != IGNORED) & ~is_number])
        right["captions"].append(fine.all(1))
    return {name: round(float(torch.cat(parts).float().mean()), 4) for name, parts in right.items()}
