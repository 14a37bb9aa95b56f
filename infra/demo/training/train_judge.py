"""`python -m infra.demo.training.train_judge`: teaches the demo's checkpoint to judge, as weights of their own.

The vision tower stays as it is: summaries are judged, not photos. Seeded; wants one core for most of an hour.
"""

from __future__ import annotations

import argparse
import logging
import math
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

from infra.demo import pack
from infra.demo.scenes import Split
from infra.demo.tokenizer import ordinary_size
from infra.demo.training import ship
from infra.demo.training.learner import Learner
from infra.demo.training.model import Trim, untrained
from infra.demo.training.tickets import SIZES, SMALL, Box, Ticket, pool
from infra.demo.training.verdict_learner import VerdictLearner
from infra.demo.training.verdict_lessons import Lessons, VerdictTeacher

log = logging.getLogger("infra.demo.training.train_judge")

QUIZ_FIRST = 900_000_000
"""Seed of the first ticket that only watches progress."""
FLOOR = 0.02


def main() -> None:
    """Command line; writes a state that `ship_judge` packs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=2700)
    parser.add_argument("--sheets", type=int, default=8, help="guidances in a batch")
    parser.add_argument("--each", type=int, default=4, help="tickets under each")
    parser.add_argument("--peak", type=float, default=8e-4, help="highest learning rate")
    parser.add_argument("--critics", type=float, default=0.15, help="share of the batches that asks a critic")
    parser.add_argument("--twins", type=float, default=0.35, help="share of the sheets that come with a line changed")
    parser.add_argument("--scenes", type=int, default=12_000, help="that tickets are made of")
    parser.add_argument(
        "--small", type=float, default=0.45, help="share of the time with few photos and a short system text"
    )
    parser.add_argument("--fall", type=float, default=0.5, help="share of the time after which the rate falls")
    parser.add_argument("--again", action="store_true", help="begin with the judge that ships")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--state", type=Path, required=True, help="file for what was learnt; goes on from it if it is there"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    train(args)


def train(args: argparse.Namespace) -> None:
    """Lessons until the time is over."""
    tokenizer = Tokenizer.from_file(str(pack.DEMO / "checkpoint" / "tokenizer.json"))
    trim = Trim(ordinary_size(tokenizer))
    learner = Learner(untrained(trim, args.seed), trim.unused)
    ship.load_shipped(learner.model, pack.DEMO / "checkpoint", pack.DEMO / "judge" if args.again else None)
    learner.vision.requires_grad_(False)
    reading = VerdictLearner(learner)
    if args.state.exists():
        state = torch.load(args.state)
        learner.model.load_state_dict(state["model"])
        reading.heads.load_state_dict(state["heads"], strict=False)
    teacher = VerdictTeacher(tokenizer, trim, Box(pool(Split.TRAINING, args.scenes)))
    quiz = {name: list(_quiz(teacher, Box(pool(Split.REPORT, 2000), **how))) for name, how in _QUIZZES.items()}
    trained = [parameter for parameter in learner.model.parameters() if parameter.requires_grad]
    groups = [{"params": trained}, {"params": list(reading.heads.parameters())}]
    optimiser = torch.optim.AdamW(groups, lr=args.peak, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    batches, rng = (
        teacher.batches(args.sheets, args.each, args.critics, args.twins, args.seed),
        random.Random(args.seed),
    )
    began, step, recent = time.monotonic(), 0, []
    log.info("ready")
    while (done := (time.monotonic() - began) / args.seconds) < 1:
        step += 1
        for group in optimiser.param_groups:
            group["lr"] = args.peak * _share_of_peak(step, done, args.fall)
        teacher.box.sizes = SMALL if done < args.small else SIZES
        teacher.whole_system = rng.random() < (0.15 if done < args.small else 0.8)
        loss = reading.loss(next(batches))
        loss.total.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        recent.append((loss.answers, loss.photos, loss.rules))
        if step == 20 or step % 100 == 0:
            means = ", ".join(f"{sum(some) / len(some):.3f}" for some in zip(*recent, strict=True))
            recent = []
            log.info(
                "step %d, %.0f s, answers/photos/rules %s; %s",
                step,
                time.monotonic() - began,
                means,
                _told(reading, quiz),
            )
            _keep(reading, args.state)
    _keep(reading, args.state)
    log.info("written %s after %d steps; %s", args.state, step, _told(reading, quiz))


_QUIZZES = {
    "known": {},
    "settings": {"held_out": True},
    "sentences": {"wording": "new sentence"},
    "words": {"wording": "new words"},
}


def _share_of_peak(step: int, done: float, fall_from: float) -> float:
    """Learning rate over its peak: a linear rise, a plateau, a cosine."""
    fall = 1.0 if done < fall_from else 0.5 * (1 + math.cos(math.pi * (done - fall_from) / (1 - fall_from)))
    return min(1.0, step / 40) * max(FLOOR, fall)


def _quiz(teacher: VerdictTeacher, box: Box) -> Iterator[Lessons]:
    """Some tickets of which one knows the verdict, 64, small ones first."""
    tickets: list[Ticket] = []
    seed = QUIZ_FIRST
    while len(tickets) < 64:
        if (ticket := box.ticket(seed)).outcome.verdict and len(ticket.photos) <= 4:
            tickets.append(ticket)
        seed += 1
    tickets.sort(key=lambda ticket: sum(len(photo.text) for photo in ticket.photos))
    for first in range(0, len(tickets), 16):
        yield teacher.batch("verdict", [[ticket] for ticket in tickets[first : first + 16]])


def _told(reading: VerdictLearner, quiz: dict[str, list[Lessons]]) -> str:
    told = []
    for name, some in quiz.items():
        right = [found for lessons in some for found in reading.right(lessons)]
        told.append(f"{name} {sum(a for a, _ in right) / len(right):.2f}/{sum(b for _, b in right) / len(right):.2f}")
    return ", ".join(told)


def _keep(reading: VerdictLearner, path: Path) -> None:
    """Write what was learnt, whole or not at all."""
    building = path.with_name(f".{path.name}")
    torch.save({"model": reading.learner.model.state_dict(), "heads": reading.heads.state_dict()}, building)
    building.replace(path)


if __name__ == "__main__":
    main()
