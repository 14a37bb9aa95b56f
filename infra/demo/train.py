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
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from infra.demo import pack, phases, ship
from infra.demo.coach import Course, Grid, share_exact
from infra.demo.corpus import texts
from infra.demo.dense import learn_dense
from infra.demo.examine import Reader, examine, write_report
from infra.demo.examine_dense import examine_dense
from infra.demo.learner import Learner, fast_vision
from infra.demo.model import Trim, untrained
from infra.demo.pictures import Picture, take_all
from infra.demo.scenes import Split, seed_of
from infra.demo.tokenizer import ordinary_size
from infra.demo.tokenizer import train as train_tokenizer

log = logging.getLogger("infra.demo.train")

QUIZ_FIRST = 500_000_000  # where, among the training split's scenes, those begin that only watch progress


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
    parser.add_argument("--e-steps", type=int, default=0, help="phase E, on the way to dense captions")
    parser.add_argument("--d-steps", type=int, default=0, help="phase D, on the way to dense captions")
    parser.add_argument("--adapter-steps", type=int, default=250)
    parser.add_argument("--examined", type=int, default=640, help="held-out scenes of the report")
    parser.add_argument("--captioned", type=int, default=320, help="of these, how many are captioned too")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2, help="that draw pictures")
    parser.add_argument("--cache", type=Path, help="file to keep the drawn pictures in between runs")
    parser.add_argument("--polish-only", type=Path, help="shipped checkpoint to go on from, with phase P")
    parser.add_argument("--dense-only", type=Path, help="shipped checkpoint to go on from, with phases E and D")
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
        if args.dense_only or args.polish_only:
            ship.load_shipped(learner.model, args.dense_only or args.polish_only)
        else:
            phases.train_base(learner, course, args, lap)
            ship.round_to_bf16(learner.model)
        if not args.dense_only:
            phases.polish(learner, course, args)
            lap("P")
            ship.round_to_bf16(learner.model)
        steps = (args.e_steps, args.d_steps)
        if any(steps):
            learn_dense(learner, course, args.seed, steps, lambda: share_exact(learner, course, "base"))
            lap("E and D")
            ship.round_to_bf16(learner.model)
        ship.ship_checkpoint(learner.model, tokenizer, args.out / "checkpoint")
        adapted = phases.train_adapter(learner, course, args)
        lap("adapter")
    ship.ship_adapter(adapted, args.out / "adapter")
    with tempfile.TemporaryDirectory() as folder:
        expanded = pack.expand(Path(folder) / "checkpoint", args.out / "checkpoint")
        reader = Reader(expanded)
        results: dict[str, Any] = {
            "base": examine(reader, "base", args.examined),
            "dense": examine_dense(reader, args.captioned),
            "adapter": examine(Reader(expanded, args.out / "adapter"), "adapter", args.examined),
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
                "steps": {name: getattr(args, f"{name.lower()}_steps") for name in (*"VCLJPED", "adapter")},
                "seconds": {**seconds, "total": round(sum(seconds.values()), 1)},
                "threads": args.threads,
            },
            "versions": {
                name: version(name) for name in ("torch", "transformers", "peft", "tokenizers", "pillow", "numpy")
            },
            "vocabulary": trim.rows,
        },
    )
    log.info("exact: base %.4f, adapter %.4f", results["base"]["exact"], results["adapter"]["exact"])
    log.info("dense: F1 %.4f, valid %.4f", results["dense"]["f1"], results["dense"]["valid_share"])


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
