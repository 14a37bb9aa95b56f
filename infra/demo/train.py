"""`python -m infra.demo.train`: draws pictures, trains the demo checkpoint and its adapter, examines and ships them.

Seeded; needs no network and no GPU. Knows the order of the steps, not how any of them works.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from infra.demo import pack, ship
from infra.demo.coach import FINDING_SHARE, Course, Grid, run_phase, see, share_exact
from infra.demo.corpus import texts
from infra.demo.examine import examine, write_report
from infra.demo.learner import Learner, fast_vision
from infra.demo.model import Trim, untrained
from infra.demo.pictures import Picture, take_all
from infra.demo.scenes import Split, seed_of
from infra.demo.tokenizer import ordinary_size
from infra.demo.tokenizer import train as train_tokenizer

log = logging.getLogger("infra.demo.train")

QUIZ_FIRST = 500_000_000  # where, among the training split's scenes, those begin that only watch progress
_LANGUAGE_LINEARS = r"model\.language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def main() -> None:
    """Command line; writes to `infra/demo/checkpoint` and `infra/demo/adapter`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=12_000)
    parser.add_argument("--v-steps", type=int, default=600)
    parser.add_argument("--c-steps", type=int, default=1200)
    parser.add_argument("--l-steps", type=int, default=1500)
    parser.add_argument("--j-steps", type=int, default=200)
    parser.add_argument("--p-steps", type=int, default=350)
    parser.add_argument("--adapter-steps", type=int, default=250)
    parser.add_argument("--examined", type=int, default=640, help="held-out scenes of the report")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2, help="that draw pictures")
    parser.add_argument("--cache", type=Path, help="file to keep the drawn pictures in between runs")
    parser.add_argument("--polish-only", type=Path, help="shipped checkpoint to go on from, with phase P")
    parser.add_argument("--out", type=Path, default=pack.DEMO)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(args.threads)
    seconds: dict[str, float] = {}
    clock = time.monotonic()

    def lap(name: str) -> None:
        nonlocal clock
        seconds[name], clock = round(time.monotonic() - clock, 1), time.monotonic()
        log.info("%s took %.0f s", name, seconds[name])

    tokenizer = train_tokenizer(texts(), 4000)
    trim = Trim(ordinary_size(tokenizer))
    lessons, quiz = _pictures(args)
    lap("drawing")
    course = Course(tokenizer, trim, lessons, quiz, random.Random(f"course {args.seed}"))
    learner = Learner(untrained(trim, args.seed), trim.unused)
    log.info("%d tokens in use, %.2f M parameters", trim.rows, sum(p.numel() for p in learner.model.parameters()) / 1e6)
    with fast_vision():
        if args.polish_only:
            ship.load_shipped(learner.model, args.polish_only)
        else:
            _train_base(learner, course, args, lap)
            ship.round_to_bf16(learner.model)
        _polish(learner, course, args)
        lap("P")
        ship.round_to_bf16(learner.model)
        ship.ship_checkpoint(learner.model, tokenizer, args.out / "checkpoint")
        adapted = _train_adapter(learner, course, args)
        lap("adapter")
    ship.ship_adapter(adapted, args.out / "adapter")
    with tempfile.TemporaryDirectory() as folder:
        expanded = pack.expand(Path(folder) / "checkpoint", args.out / "checkpoint")
        results: dict[str, Any] = {
            "base": examine(expanded, None, args.examined),
            "adapter": examine(expanded, args.out / "adapter", args.examined),
        }
    lap("examining")
    write_report(
        args.out / "checkpoint" / "report.json",
        {
            **results,
            "parameters": {
                "base": sum(p.numel() for p in learner.model.parameters() if not p.requires_grad),
                "adapter": sum(p.numel() for p in adapted.parameters() if p.requires_grad),
            },
            "training": {
                "seed": args.seed,
                "seeds": [seed_of(Split.TRAINING, 0), seed_of(Split.TRAINING, args.pictures - 1)],
                "pictures": args.pictures,
                "steps": {
                    "V": args.v_steps,
                    "C": args.c_steps,
                    "L": args.l_steps,
                    "J": args.j_steps,
                    "P": args.p_steps,
                    "adapter": args.adapter_steps,
                },
                "seconds": {**seconds, "total": round(sum(seconds.values()), 1)},
                "threads": args.threads,
            },
            "versions": {
                name: version(name) for name in ("torch", "transformers", "peft", "tokenizers", "pillow", "numpy")
            },
            "vocabulary": trim.rows,
        },
    )
    log.info("base %.4f, adapter %.4f exact", results["base"]["exact"], results["adapter"]["exact"])


def _pictures(args: argparse.Namespace) -> tuple[dict[Grid, list[Picture]], dict[Grid, list[Picture]]]:
    if args.cache and args.cache.exists():
        kept: tuple[dict[Grid, list[Picture]], dict[Grid, list[Picture]]] = torch.load(args.cache, weights_only=False)
        return kept
    lessons = take_all((seed_of(Split.TRAINING, i) for i in range(args.pictures)), args.processes)
    quiz = take_all((seed_of(Split.TRAINING, QUIZ_FIRST + i) for i in range(256)), args.processes)
    if args.cache:
        torch.save((lessons, quiz), args.cache)
    return lessons, quiz


def _train_base(learner: Learner, course: Course, args: argparse.Namespace, lap: Callable[[str], None]) -> None:
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
        ask = course.rng.random() < FINDING_SHARE
        batch = course.batch_with_finding(grid, pictures) if ask else course.batch(grid, pictures, "base")
        return learner.answer_loss(features, batch) + 0.2 * learner.last_counting_loss(pictures)

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


def _polish(learner: Learner, course: Course, args: argparse.Namespace) -> None:
    """Phase P: J again, from weights as they ship and on the answers alone. Depends on nothing but those weights."""
    course = replace(course, rng=random.Random(f"polish {args.seed}"))

    def answer() -> torch.Tensor:
        grid, chosen = course.draw(32)
        pictures = [course.lessons[grid][i] for i in chosen]
        ask = course.rng.random() < FINDING_SHARE
        batch = course.batch_with_finding(grid, pictures) if ask else course.batch(grid, pictures, "base")
        return learner.answer_loss(learner.features(pictures), batch)

    run_phase("P", learner.model.parameters(), answer, args.p_steps, 4e-4, lambda: share_exact(learner, course, "base"))


def _train_adapter(learner: Learner, course: Course, args: argparse.Namespace) -> PeftModel:
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


if __name__ == "__main__":
    main()
