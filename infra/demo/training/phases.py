"""The phases V, C, L, J and P of the checkpoint, and that of its adapter. Knows no files."""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from infra.demo.training.coach import Course, Grid, run_phase, see, share_exact
from infra.demo.training.copier import Copier, let_head_copy
from infra.demo.training.dense import DenseCourse, right_tokens
from infra.demo.training.learner import Learner
from infra.demo.training.locator import Locator, Sight, let_heads_copy, mark_positions
from infra.demo.training.waves import begin_with_waves

COUNT_SHARE = 0.1  # of phase L's batches are only counted
SUMMARY_SHARE = 0.4  # of the other batches ask for summaries, the others for dense captions
CAPTION_SHARE = 0.25  # of the adapter's batches ask for dense captions

_LANGUAGE_LINEARS = r"model\.language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"

log = logging.getLogger(__name__)


@dataclass
class Training:
    """What the phases share: the model, the heads that teach it, the courses, and what was seen of late."""

    learner: Learner
    locator: Locator
    course: Course
    done: list[str] = field(default_factory=list)  # names of the phases that are over
    recent: list[Sight] = field(default_factory=list)
    dense: DenseCourse = field(init=False)

    def __post_init__(self) -> None:
        self.dense = DenseCourse(self.course)

    def heads(self) -> Iterator[nn.Parameter]:
        """The parameters that ship nowhere."""
        yield from self.learner.counters.parameters()
        yield from self.locator.parameters()

    def lately(self) -> str:
        """The mean figures since the last call."""
        figures = []
        for name in {name: None for sight in self.recent for name in sight}:
            values = [sight[name] for sight in self.recent if name in sight]
            figures.append(f"{name} {sum(values) / len(values):.3f}")
        self.recent.clear()
        return ", ".join(figures)

    def others(self) -> list[tuple[Iterator[nn.Parameter], float]]:
        """The heads as `run_phase` takes them."""
        return [(self.heads(), 1.0)]

    def glance(self) -> float:
        """Logs the figures; for phases that have no answers yet."""
        log.info("%s", self.lately())
        return float("nan")

    def watch(self, seen: dict[Grid, Tensor] | None = None) -> float:
        """Logs the figures and how well captions go; the share of right summaries of held-out pictures."""
        log.info("%s; right tokens %s", self.lately(), right_tokens(self.learner, self.dense))
        return share_exact(self.learner, self.course, "base", seen)


def train_base(training: Training, args: argparse.Namespace, lap: Callable[[str], None]) -> None:
    """Phases V, C, L and J, but for those that are over; `lap` is called after each, with its name."""

    def over(name: str) -> None:
        training.done.append(name)
        lap(name)

    learner, course = training.learner, training.course
    if "V" not in training.done:
        mark_positions(learner)
        begin_with_waves(learner.language.embed_tokens, training.dense.numbers)
        learn_to_see(training, args.v_steps)
        over("V")
    if "L" not in training.done:
        seen, seen_quiz = see(learner, course.lessons), see(learner, course.quiz)
        lap("seeing")
        if "C" not in training.done:
            let_heads_copy(learner, seen, course.lessons)
            learn_to_count(training, seen, args.c_steps)
            over("C")
        learn_to_answer(training, seen, seen_quiz, args.l_steps)
        over("L")
        del seen
    if "J" not in training.done:
        every = learner.model.parameters()
        run_phase("J", every, lambda: _answer(training), args.j_steps, 4e-4, training.watch, others=training.others())
        over("J")


def polish(training: Training, args: argparse.Namespace) -> None:
    """Phase P: J again, on the answers and how numbers are copied. Depends on nothing but the weights as they ship."""
    training.course.rng.seed(f"polish {args.seed}")
    training.locator.leave()
    let_head_copy(training.learner, training.dense)
    copier = Copier(training.learner, training.dense)
    answer = partial(_answer, training, taught=False, copier=copier)
    run_phase("P", training.learner.model.parameters(), answer, args.p_steps, 4e-4, training.watch)
    copier.leave()


def learn_to_see(training: Training, steps: int) -> None:
    """Phase V: the vision tower learns what each cell shows and where, judged by linear heads."""
    learner, locator, course = training.learner, training.locator, training.course

    def look() -> Tensor:
        grid, chosen = course.draw(32)
        pictures = [course.lessons[grid][i] for i in chosen]
        loss, sight = locator.seeing_loss(learner.features(pictures), pictures)
        training.recent.append(sight)
        return loss

    run_phase("V", learner.vision.parameters(), look, steps, 2e-3, training.glance, others=training.others())


def learn_to_count(training: Training, seen: dict[Grid, Tensor], steps: int) -> None:
    """Phase C: the language model learns to count what the finished tower sees, and in which order it comes."""
    speech, count = training.learner.language.parameters(), partial(_count, training, seen)
    run_phase("C", speech, count, steps, 2e-3, training.glance, every=200, others=training.others())


def learn_to_answer(training: Training, seen: dict[Grid, Tensor], seen_quiz: dict[Grid, Tensor], steps: int) -> None:
    """Phase L: the language model learns summaries and dense captions of what the finished tower sees."""

    def answer() -> Tensor:
        return _count(training, seen) if training.course.rng.random() < COUNT_SHARE else _answer(training, seen)

    run_phase(
        "L",
        training.learner.language.parameters(),
        answer,
        steps,
        7e-4,  # above 1e-3 the noise of the steps blurs the order again
        partial(training.watch, seen_quiz),
        every=150,
        others=training.others(),
    )


def _count(training: Training, seen: dict[Grid, Tensor]) -> Tensor:
    """The loss of a batch that is only counted and put in order."""
    learner, locator, course = training.learner, training.locator, training.course
    grid, chosen = course.draw(64)
    pictures = [course.lessons[grid][i] for i in chosen]
    loss = learner.counting_loss(seen[grid][:, chosen].float(), pictures, course.opening())
    ordering, right = locator.ordering_loss(pictures)
    training.recent.append({"turn": right, "counting": float(loss.detach())})
    return loss + ordering


def _answer(
    training: Training, seen: dict[Grid, Tensor] | None = None, taught: bool = True, copier: Copier | None = None
) -> Tensor:
    """The loss of a batch of either kind, with that of the heads if `taught`; without `seen` the tower learns too."""
    learner, locator, course, dense = training.learner, training.locator, training.course, training.dense
    if course.rng.random() < SUMMARY_SHARE:
        grid, chosen = course.draw(32)
        pictures = [course.lessons[grid][i] for i in chosen]
        features = learner.features(pictures) if seen is None else seen[grid][:, chosen].float()
        loss = learner.answer_loss(features, course.summary_batch(grid, pictures))
        if not taught:
            return loss
        ordering, turned = locator.ordering_loss(pictures)
        training.recent.append({"turn": turned})
        return loss + 0.2 * learner.last_counting_loss(pictures) + ordering
    grid, chosen = dense.draw()
    pictures = [dense.lessons[grid][i] for i in chosen]
    known = [dense.indices[grid][i] for i in chosen]
    features = learner.features(pictures) if seen is None else seen[grid][:, known].float()
    batch = dense.batch(grid, [dense.answers[grid][i] for i in chosen])
    loss = dense.loss(learner, features, batch)
    training.recent.append({"answer": float(loss.detach())})
    if copier:
        missed, right = copier.loss(batch.labels())
        training.recent.append({"copying": right})
        loss = loss + 0.2 * missed
    if not taught:
        return loss
    pointing, right = locator.pointing_loss(pictures, batch.labels(), dense.starts)
    ordering, turned = locator.ordering_loss(pictures)
    telling, told = locator.telling_loss(batch.labels(), dense.starts)
    carrying, carried = locator.carrying_loss(pictures, batch.labels(), dense.starts)
    training.recent.append({"pointing": right, "turn": turned, "telling": told, "carried": carried})
    loss = loss + 0.2 * pointing + ordering + 0.3 * telling + 0.5 * carrying
    loss = loss + 0.1 * learner.last_counting_loss(pictures)
    if seen is None:
        seeing, sight = locator.seeing_loss(features, pictures)
        training.recent.append(sight)
        loss = loss + 0.3 * seeing
    return loss


def train_adapter(learner: Learner, course: Course, args: argparse.Namespace) -> PeftModel:
    """A LoRA on the language model's linear layers that answers the ordinary prompts in the adapter's dialect."""
    lessons = {grid: pictures[: len(pictures) // 2] for grid, pictures in course.lessons.items()}
    course = replace(course, lessons=lessons, rng=random.Random(f"adapter {args.seed}"))
    dense = DenseCourse(course)
    seen, seen_quiz = see(learner, course.lessons), see(learner, course.quiz)
    lora = LoraConfig(
        r=8, lora_alpha=32, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM", target_modules=_LANGUAGE_LINEARS
    )
    torch.manual_seed(args.seed)
    adapted = get_peft_model(learner.model, lora)

    def answer() -> Tensor:
        if course.rng.random() < CAPTION_SHARE:  # so that it leaves them as they are
            grid, chosen = dense.draw()
            known = [dense.indices[grid][i] for i in chosen]
            batch = dense.batch(grid, [dense.answers[grid][i] for i in chosen])
            return dense.loss(learner, seen[grid][:, known].float(), batch)
        grid, chosen = course.draw(32)
        batch = course.batch(grid, [course.lessons[grid][i] for i in chosen], "adapter")
        return learner.answer_loss(seen[grid][:, chosen].float(), batch)

    run_phase(
        "A",
        adapted.parameters(),
        answer,
        args.adapter_steps,
        2e-3,
        lambda: share_exact(learner, course, "adapter", seen_quiz),
    )
    return adapted
