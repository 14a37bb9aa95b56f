"""The phases V, C, L, J and P of the checkpoint, and that of its adapter. Knows no files and no dense captions."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from dataclasses import replace

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from infra.demo.coach import Course, run_phase, see, share_exact
from infra.demo.learner import Learner

_LANGUAGE_LINEARS = r"model\.language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def train_base(learner: Learner, course: Course, args: argparse.Namespace, lap: Callable[[str], None]) -> None:
    """Phases V, C, L and J."""
    rights: list[float] = []

    def look() -> torch.Tensor:
        grid, chosen = course.draw(32)
        loss, right = learner.probe_loss([course.lessons[grid][i] for i in chosen])
        rights.append(float(right))
        return loss

    eyes = [*learner.vision.parameters(), *learner.probes.parameters()]
    run_phase("V", eyes, look, args.v_steps, 2e-3, lambda: sum(rights[-10:]) / 10)
    lap("V")
    seen, seen_quiz = see(learner, course.lessons), see(learner, course.quiz)
    lap("seeing")

    def count() -> torch.Tensor:
        grid, chosen = course.draw(64)
        pictures = [course.lessons[grid][i] for i in chosen]
        return learner.counting_loss(seen[grid][:, chosen].float(), pictures, course.opening())

    def answer(size: int, joint: bool) -> torch.Tensor:
        grid, chosen = course.draw(size)
        pictures = [course.lessons[grid][i] for i in chosen]
        features = learner.features(pictures) if joint else seen[grid][:, chosen].float()
        return learner.answer_loss(features, course.summary_batch(grid, pictures)) + 0.2 * learner.last_counting_loss(
            pictures
        )

    speech = [*learner.language.parameters(), *learner.counters.parameters()]
    run_phase("C", speech, count, args.c_steps, 2e-3, lambda: float("nan"), every=200)
    lap("C")
    run_phase(
        "L",
        speech,
        lambda: answer(32, False),
        args.l_steps,
        1.5e-3,
        lambda: share_exact(learner, course, "base", seen_quiz),
    )
    lap("L")
    everything = [*learner.model.parameters(), *learner.counters.parameters()]
    run_phase(
        "J", everything, lambda: answer(32, True), args.j_steps, 4e-4, lambda: share_exact(learner, course, "base")
    )
    lap("J")


def polish(learner: Learner, course: Course, args: argparse.Namespace) -> None:
    """Phase P: J again, from weights as they ship and on the answers alone. Depends on nothing but those weights."""
    course = replace(course, rng=random.Random(f"polish {args.seed}"))

    def answer() -> torch.Tensor:
        grid, chosen = course.draw(32)
        pictures = [course.lessons[grid][i] for i in chosen]
        return learner.answer_loss(learner.features(pictures), course.summary_batch(grid, pictures))

    run_phase("P", learner.model.parameters(), answer, args.p_steps, 4e-4, lambda: share_exact(learner, course, "base"))


def train_adapter(learner: Learner, course: Course, args: argparse.Namespace) -> PeftModel:
    """A LoRA on the language model's linear layers that answers the ordinary prompts in the adapter's dialect."""
    lessons = {grid: pictures[: len(pictures) // 2] for grid, pictures in course.lessons.items()}
    course = replace(course, lessons=lessons, rng=random.Random(f"adapter {args.seed}"))
    seen, seen_quiz = see(learner, course.lessons), see(learner, course.quiz)
    lora = LoraConfig(
        r=8, lora_alpha=32, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM", target_modules=_LANGUAGE_LINEARS
    )
    torch.manual_seed(args.seed)
    adapted = get_peft_model(learner.model, lora)

    def answer() -> torch.Tensor:
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
