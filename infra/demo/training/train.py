"""`python -m infra.demo.training.train`: draws pictures, trains checkpoint and adapter, ships and examines them.

Seeded; needs no network and no GPU, but is done in minutes with one (`--device cuda`). With `--state` a training that
was cut off goes on after the last phase that was over. Knows the order of the steps, not how any of them works.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from infra.demo import pack
from infra.demo.scenes import Split, seed_of
from infra.demo.tokenizer import ordinary_size
from infra.demo.tokenizer import train as train_tokenizer
from infra.demo.training import phases, ship
from infra.demo.training.coach import Course, Grid
from infra.demo.training.corpus import texts
from infra.demo.training.examine import Reader, examine, write_report
from infra.demo.training.examine_dense import examine_dense
from infra.demo.training.learner import Learner, fast_vision
from infra.demo.training.locator import Locator
from infra.demo.training.model import Trim, untrained
from infra.demo.training.pictures import Picture, take_all

log = logging.getLogger("infra.demo.training.train")

REPORT = "report.json"
QUIZ_FIRST = 500_000_000  # where, among the training split's scenes, those begin that only watch progress


def main() -> None:
    """Command line; writes to `infra/demo/checkpoint` and `infra/demo/adapter`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=12_000)
    parser.add_argument("--v-steps", type=int, default=1500)
    parser.add_argument("--c-steps", type=int, default=1000)
    parser.add_argument("--l-steps", type=int, default=2500)
    parser.add_argument("--j-steps", type=int, default=300)
    parser.add_argument("--p-steps", type=int, default=1100)
    parser.add_argument("--adapter-steps", type=int, default=250)
    parser.add_argument("--examined", type=int, default=640, help="held-out scenes of the report")
    parser.add_argument("--captioned", type=int, default=320, help="of these, how many are captioned too")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2, help="that draw pictures")
    parser.add_argument("--cache", type=Path, help="file to keep the drawn pictures in between runs")
    parser.add_argument("--device", default="cpu", help="that trains; examined is on the CPU")
    parser.add_argument("--state", type=Path, help="file that keeps what was learnt after each phase, to go on from")
    parser.add_argument("--polish-only", type=Path, help="shipped checkpoint to go on from, with phase P")
    half = parser.add_mutually_exclusive_group()
    half.add_argument("--train-only", action="store_true", help="ship without examining")
    half.add_argument("--examine-only", action="store_true", help="examine what was shipped, and renew its report")
    parser.add_argument("--out", type=Path, default=pack.DEMO)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(args.threads)
    if not args.examine_only:
        train(args)
    if not args.train_only:
        examine_shipped(args)


def train(args: argparse.Namespace) -> None:
    """All phases, or those that are left; writes checkpoint, adapter, and a report of how they came about."""
    seconds: dict[str, float] = {}
    before: dict[str, Any] = {}  # how the weights came about that are only polished
    clock = time.monotonic()

    def lap(name: str) -> None:
        nonlocal clock
        seconds[name], clock = round(time.monotonic() - clock, 1), time.monotonic()
        log.info("%s took %.0f s", name, seconds[name])
        if args.state and not args.polish_only:
            _keep(training, seconds, args.state)

    tokenizer = train_tokenizer(texts(), 4000)
    trim = Trim(ordinary_size(tokenizer))
    lessons, quiz = _pictures(args)
    torch.set_default_device(args.device)
    course = Course(tokenizer, trim, lessons, quiz, random.Random(f"course {args.seed}"))
    torch.manual_seed(args.seed)
    learner = Learner(untrained(trim, args.seed), trim.unused)
    training = phases.Training(learner, Locator(learner), course)
    if args.state and args.state.exists() and not args.polish_only:
        seconds |= _resume(training, args.state)
        course.rng.seed(f"course {args.seed} after {training.done}")
    lap("drawing")
    log.info("%d tokens in use, %.2f M parameters", trim.rows, sum(p.numel() for p in learner.model.parameters()) / 1e6)
    with fast_vision():
        if args.polish_only:
            ship.load_shipped(learner.model, args.polish_only)
            before = json.loads((args.polish_only / REPORT).read_text(encoding="utf-8"))["training"]
        else:
            phases.train_base(training, args, lap)
            ship.round_to_bf16(learner.model)
        phases.polish(training, args)
        lap("P")
        ship.round_to_bf16(learner.model)
        ship.ship_checkpoint(learner.model, tokenizer, args.out / "checkpoint")
        adapted = phases.train_adapter(learner, course, args)
        lap("adapter")
    ship.ship_adapter(adapted, args.out / "adapter")
    phases_run = ("P", "adapter") if args.polish_only else (*"VCLJP", "adapter")
    write_report(
        args.out / "checkpoint" / REPORT,
        {
            "parameters": {
                "base": sum(p.numel() for p in learner.model.parameters() if not p.requires_grad),
                "adapter": sum(p.numel() for p in adapted.parameters() if p.requires_grad),
            },
            "training": {
                "seed": args.seed,
                "seeds": [seed_of(Split.TRAINING, 0), seed_of(Split.TRAINING, args.pictures - 1)],
                "pictures": args.pictures,
                "steps": {name: getattr(args, f"{name.lower()}_steps") for name in phases_run},
                "seconds": {**seconds, "total": round(sum(seconds.values()), 1)},
                "threads": args.threads,
                "device": torch.cuda.get_device_name() if args.device == "cuda" else args.device,
                **({"went_on_from": before} if before else {}),
            },
            "versions": {
                name: version(name) for name in ("torch", "transformers", "peft", "tokenizers", "pillow", "numpy")
            },
            "vocabulary": trim.rows,
        },
    )
    torch.set_default_device("cpu")


def examine_shipped(args: argparse.Namespace) -> None:
    """Examine the shipped checkpoint and adapter on the CPU, as users run them, and put the figures into the report."""
    path = args.out / "checkpoint" / REPORT
    report = json.loads(path.read_text(encoding="utf-8"))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        expanded = pack.expand(Path(folder) / "checkpoint", args.out / "checkpoint")
        reader = Reader(expanded)
        results: dict[str, Any] = {
            "base": examine(reader, "base", args.examined),
            "dense": examine_dense(reader, args.captioned),
            "adapter": examine(Reader(expanded, args.out / "adapter"), "adapter", args.examined),
        }
    write_report(path, {**report, **results})
    log.info("examining took %.0f s", time.monotonic() - began)
    log.info("exact: base %.4f, adapter %.4f", results["base"]["exact"], results["adapter"]["exact"])
    log.info("dense: F1 %.4f, valid %.4f", results["dense"]["f1"], results["dense"]["valid_share"])


def _keep(training: phases.Training, seconds: dict[str, float], path: Path) -> None:
    """Write what was learnt, whole or not at all."""
    learner, building = training.learner, path.with_name(f".{path.name}")
    parts = {"model": learner.model, "counters": learner.counters, "locator": training.locator}
    state = {name: part.state_dict() for name, part in parts.items()}
    torch.save({**state, "done": training.done, "seconds": seconds}, building)
    building.replace(path)


def _resume(training: phases.Training, path: Path) -> dict[str, float]:
    """Take up what `_keep` wrote; the seconds that it took."""
    learner = training.learner
    state = torch.load(path, map_location=torch.get_default_device())
    learner.model.load_state_dict(state["model"])
    learner.counters.load_state_dict(state["counters"])
    training.locator.load_state_dict(state["locator"])
    training.done = state["done"]
    log.info("going on after %s", ", ".join(training.done))
    return dict(state["seconds"])


def _pictures(args: argparse.Namespace) -> tuple[dict[Grid, list[Picture]], dict[Grid, list[Picture]]]:
    if args.cache and args.cache.exists():
        kept: tuple[dict[Grid, list[Picture]], dict[Grid, list[Picture]]] = torch.load(args.cache, weights_only=False)
        return kept
    lessons = take_all((seed_of(Split.TRAINING, i) for i in range(args.pictures)), args.processes)
    quiz = take_all((seed_of(Split.TRAINING, QUIZ_FIRST + i) for i in range(256)), args.processes)
    if args.cache:
        torch.save((lessons, quiz), args.cache)
    return lessons, quiz


if __name__ == "__main__":
    main()
