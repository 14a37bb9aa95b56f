"""Phases of training: which batches in which order, the learning rate, the progress lines. Knows no files.

V: the vision tower, with linear heads on what each cell shows and where. C: the language model learns to count what the
finished tower sees, and its order. L: it learns to answer, with summaries and with dense captions. J and P: both
together. From scratch in one go the same model stays on a plateau, and what the tower was not taught in V it does not
learn later without forgetting the rest.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from infra.demo.scenes import Scene
from infra.demo.tokenizer import IM_END
from infra.demo.training.learner import Batch, Learner, mixed
from infra.demo.training.model import Trim
from infra.demo.training.pictures import Picture
from infra.demo.training.prompting import Conversation, asking_for_finding, conversation, real_prompts, training_prompt
from infra.demo.wording import adapter_summary, summary

Dialect = Literal["base", "adapter"]
Grid = tuple[int, int]

FINDING_SHARE = 0.2  # of the batches ask the base for the adapter's dialect, see `prompting.FINDING_REQUEST`
_WORDING: dict[Dialect, Callable[[Scene], str]] = {"base": summary, "adapter": adapter_summary}

log = logging.getLogger(__name__)


@dataclass
class Course:
    """The pictures to learn from and the held-out ones to watch progress on, by grid, with the words for both."""

    tokenizer: Tokenizer
    trim: Trim
    lessons: dict[Grid, list[Picture]]
    quiz: dict[Grid, list[Picture]]
    rng: random.Random
    _conversations: dict[str, Conversation] = field(default_factory=dict)

    def draw(self, size: int) -> tuple[Grid, list[int]]:
        """A grid, each as often as it has pictures, and the indices of `size` of them."""
        grids = list(self.lessons)
        grid = self.rng.choices(grids, [len(self.lessons[grid]) for grid in grids])[0]
        return grid, self.rng.sample(range(len(self.lessons[grid])), size)

    def opening(self) -> Conversation:
        """What stands around a picture that is only to be counted: half of the time hardly anything, which is quick."""
        tail = self._conversation().tail[:1]
        if self.rng.random() < 0.5:
            return Conversation(self._conversation().head, tail)
        start = self.tokenizer.encode("<|im_start|>user\n<|vision_start|>").ids
        return Conversation(tuple(map(self.trim.small, start)), tail)

    def batch(self, grid: Grid, pictures: list[Picture], dialect: Dialect) -> Batch:
        """The pictures under a training prompt, with answers in the dialect."""
        return Batch(grid, self._conversation(), self._answers(pictures, dialect))

    def batch_with_finding(self, grid: Grid, pictures: list[Picture]) -> Batch:
        """The pictures under a training prompt that asks for the adapter's dialect."""
        prompt = asking_for_finding(training_prompt(self.rng))
        return Batch(grid, conversation(prompt, self.tokenizer, self.trim), self._answers(pictures, "adapter"))

    def summary_batch(self, grid: Grid, pictures: list[Picture]) -> Batch:
        """Either of the above: what the base is asked for summaries."""
        ask = self.rng.random() < FINDING_SHARE
        return self.batch_with_finding(grid, pictures) if ask else self.batch(grid, pictures, "base")

    def quiz_batch(self, grid: Grid, dialect: Dialect) -> Batch:
        """The held-out pictures of a grid under one of the real prompts."""
        prompt = real_prompts()[grid[0] % len(real_prompts())]
        pictures = self.quiz[grid]
        return Batch(grid, conversation(prompt, self.tokenizer, self.trim), self._answers(pictures, dialect))

    def _conversation(self) -> Conversation:
        return conversation(training_prompt(self.rng), self.tokenizer, self.trim)

    def _answers(self, pictures: list[Picture], dialect: Dialect) -> list[list[int]]:
        texts = [_WORDING[dialect](picture.scene) for picture in pictures]
        return [[self.trim.small(token) for token in (*self.tokenizer.encode(text).ids, IM_END)] for text in texts]


def run_phase(
    name: str,
    parameters: Iterable[nn.Parameter],
    loss_of: Callable[[], Tensor],
    steps: int,
    peak: float,
    check: Callable[[], float],
    every: int = 100,
    others: Sequence[tuple[Iterable[nn.Parameter], float]] = (),
) -> None:
    """`steps` AdamW steps in bf16 autocast; a progress line with `check()` after every `every` of them.

    `others` are further parameters and their share of the learning rate. Gradients are clipped apart from each other:
    what is steep in one group would otherwise silence the rest in just those steps.
    """
    trained = [
        ([parameter for parameter in some if parameter.requires_grad], share)
        for some, share in ((parameters, 1.0), *others)
    ]
    groups = [{"params": some, "of_peak": share} for some, share in trained]
    optimiser = torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    started, losses = time.monotonic(), []
    for step in range(1, steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = peak * group["of_peak"] * _share_of_peak(step, steps)
        with mixed():
            loss = loss_of()
        loss.backward()
        for some, _ in trained:
            torch.nn.utils.clip_grad_norm_(some, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        if step % every == 0 or step == steps:
            recent = losses[-every:]
            log.info(
                "%s step %d/%d, %.0f s, loss %.5f, exact %.3f",
                name,
                step,
                steps,
                time.monotonic() - started,
                sum(recent) / len(recent),
                check(),
            )


def _share_of_peak(step: int, steps: int, warm_up: int = 40) -> float:
    """Learning rate over its peak: a linear rise, a plateau until 40 % of the phase, a cosine down to 2 %."""
    done = step / steps
    fall = 1.0 if done < 0.4 else 0.5 * (1 + math.cos(math.pi * (done - 0.4) / 0.6))
    return min(1.0, step / warm_up) * max(0.02, fall)


def see(learner: Learner, pictures: dict[Grid, list[Picture]], chunk: int = 128) -> dict[Grid, Tensor]:
    """The vision tower's features of all pictures, bf16 (layers, pictures, cells, width) by grid, without gradients."""
    seen = {}
    with torch.no_grad(), mixed():
        for grid, some in pictures.items():
            parts = [learner.features(some[i : i + chunk]).bfloat16() for i in range(0, len(some), chunk)]
            seen[grid] = torch.cat(parts, 1)
    return seen


def share_exact(learner: Learner, course: Course, dialect: Dialect, seen: dict[Grid, Tensor] | None = None) -> float:
    """The share of held-out answers that greedy decoding would give exactly."""
    seen = seen or see(learner, course.quiz)
    with mixed():
        right = [learner.exact(seen[grid], course.quiz_batch(grid, dialect)) for grid in course.quiz]
    return float(torch.cat(right).float().mean())
