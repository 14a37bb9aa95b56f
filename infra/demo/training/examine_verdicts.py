"""`python -m infra.demo.training.examine_verdicts`: what the demo's judge makes of tickets that no lesson had.

It is asked as in production: by the default engine, in text, with Stage-B's prompts.
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from infra.demo import pack
from infra.demo.scenes import Split
from infra.demo.switches import Wording
from infra.demo.training.critics import Candidate, candidate
from infra.demo.training.examine import write_report
from infra.demo.training.tickets import NEW_ORDERS, ORDERS, Box, Ticket, pool
from infra.demo.training.verdict_marks import critic_marks, marks, pair_marks, sample_marks, share
from infra.demo.wording import REMARK
from tasks.engines.protocol import Completion, Decoding, Engine, Request
from tasks.engines.transformers import TransformersEngine
from tasks.verdicts.answers import read
from tasks.verdicts.critic import candidate_text
from tasks.verdicts.prompts import judge_prompt

log = logging.getLogger("infra.demo.training.examine_verdicts")

FIRST = 950_000_000
"""Seed of the first ticket that is examined."""
GREEDY, OPINION = Decoding(192), Decoding(256)
CELLS = tuple(Decoding(192, heat, 0.95, seed) for heat in (0.5, 0.9) for seed in (17, 18, 19))
EACH, WORTH = 4, 16  # tickets under each sheet; how many make it worth while to read their sheet once
TURNED = "a line of guidance turns the verdict around"


def ask(engine: Engine, tickets: Sequence[Ticket], decoding: Decoding = GREEDY) -> list[str]:
    """One answer a ticket."""
    return _asked(engine, "verdict", tickets, decoding, lambda _: "")


def opinions(engine: Engine, tickets: Sequence[Ticket], told: Sequence[Candidate]) -> list[str]:
    """What the critic says of each ticket's candidate."""
    return _asked(engine, "critic", tickets, OPINION, lambda place: candidate_text(told[place].text))


def _asked(
    engine: Engine, name: Any, tickets: Sequence[Ticket], decoding: Decoding, more: Callable[[int], str]
) -> list[str]:
    requests = []
    for _, some in groupby(enumerate(tickets), key=lambda pair: id(pair[1].sheet)):
        own = list(some)
        prompt = judge_prompt(name, own[0][1].sheet.mission, own[0][1].sheet.guidance)
        shared = len(prompt.user) if len(own) >= WORTH else 0  # few of a sheet share the system text alone
        requests += [
            Request(
                str(place),
                None,
                prompt.system,
                prompt.user + ticket.evidence.text() + more(place),
                decoding,
                shared=shared,
            )
            for place, ticket in own
        ]
    told: dict[str, str] = {}
    for result in engine.generate(requests):
        assert isinstance(result, Completion), result
        told[result.id] = result.text
    return [told[str(place)] for place in range(len(tickets))]


def drawn(box: Box, count: int, first: int = FIRST) -> list[Ticket]:
    """Tickets of sheets of their own, `EACH` under one."""
    found: list[Ticket] = []
    while len(found) < count:
        sheet = box.sheet(random.Random(f"sheet {first} {len(found)}"))
        found += [box.ticket(first + len(found) + place, sheet) for place in range(min(EACH, count - len(found)))]
    return found


def examine(engine: Engine, tickets: int, split: Split = Split.TESTS) -> Iterator[tuple[str, dict[str, Any]]]:
    """Figures by what was asked, as they come. `tickets` are those of the first question; the others have fewer."""
    photos = pool(split, 3000)
    known = drawn(Box(photos), tickets)
    told = ask(engine, known)
    yield "known", marks(known, told)
    part = slice(tickets // 2)
    yield f"{TURNED}: known", _pairs(engine, Box(photos), known[part], told[part])
    some = drawn(Box(photos), tickets // 4, FIRST + 10_000_000)
    candidates = [candidate(ticket) for ticket in some]
    yield "critic", critic_marks(some, candidates, opinions(engine, some, candidates))
    other: dict[str, tuple[bool, Wording]] = {
        "sentences that no lesson had": (False, "new sentence"),
        "words that no lesson had": (False, "new words"),
        "settings that no lesson had": (True, "taught"),
    }
    for name, (held_out, wording) in other.items():
        box = Box(photos, held_out=held_out, wording=wording)
        some = drawn(box, tickets // 4)
        answers = ask(engine, some)
        yield name, marks(some, answers)
        yield f"{TURNED}: {name}", _pairs(engine, box, some, answers)
    yield "samples at temperature 0.5 and 0.9", _samples(engine, known, tickets // 24)
    yield "orders in summaries", _orders(engine, known[: tickets // 6])


def _pairs(engine: Engine, box: Box, tickets: Sequence[Ticket], told: Sequence[str]) -> dict[str, Any]:
    """Tickets that are turned around by one line more or less, and what was and is made of both."""
    turned = [
        (ticket, text, box.toggled(ticket))
        for ticket, text in zip(tickets, told, strict=True)
        if ticket.outcome.verdict
    ]
    pairs = [(ticket, text, other) for ticket, text, other in turned if other]
    answers = ask(engine, [other for *_, other in pairs])
    return pair_marks([(*pair, text) for pair, text in zip(pairs, answers, strict=True)])


def _orders(engine: Engine, tickets: Sequence[Ticket]) -> dict[str, Any]:
    """The same tickets with a remark that gives an order: the verdict stays."""
    found, before = {}, [read(text).verdict for text in ask(engine, [_with(ticket, "") for ticket in tickets])]
    for name, orders in (("taught", ORDERS), ("that no lesson had", NEW_ORDERS)):
        after = ask(engine, [_with(ticket, orders[place % len(orders)]) for place, ticket in enumerate(tickets)])
        found[f"verdict stays, orders {name}"] = share(
            one is not None and one == read(text).verdict
            for one, text, ticket in zip(before, after, tickets, strict=True)
            if ticket.outcome.verdict
        )
    return found


def _with(ticket: Ticket, order: str) -> Ticket:
    """The ticket without orders, or with this one in the first photo that shows anything."""
    photos = [replace(photo, text=_without(photo.text)) for photo in ticket.photos]
    if order:
        place = next(place for place, photo in enumerate(photos) if not photo.irrelevant)
        text = photos[place].text
        photos[place] = replace(photos[place], text=f"{text}{'；' if REMARK in text else REMARK}{order}")
    return replace(ticket, photos=tuple(photos))


def _without(text: str) -> str:
    for order in (*ORDERS, *NEW_ORDERS):
        text = text.removesuffix(f"；{order}").removesuffix(f"{REMARK}{order}")
    return text


def _samples(engine: Engine, tickets: Sequence[Ticket], most: int) -> dict[str, Any]:
    """Six samples of some tickets with and of some without enough evidence."""
    clear = [ticket for ticket in tickets if ticket.outcome.verdict][:most]
    some = [*clear, *[ticket for ticket in tickets if not ticket.outcome.verdict][:most]]
    texts = [ask(engine, some, cell) for cell in CELLS]
    return sample_marks(some, list(zip(*texts, strict=True)))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tickets", type=int, default=512)
    parser.add_argument(
        "--judge", type=Path, default=pack.DEMO / "judge", help="shipped weights; the report goes there"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(1)
    began = time.monotonic()
    path = args.judge / "report.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    report: dict[str, Any] = {"training": before.get("training"), "first_seed": FIRST, "scenes": "split TESTS"}
    with tempfile.TemporaryDirectory() as folder:
        engine = TransformersEngine(str(pack.expand(Path(folder) / "judge", over=args.judge)), device="cpu")
        for name, figures in examine(engine, args.tickets):
            report |= {name: figures, "seconds": round(time.monotonic() - began)}
            log.info("%s: %s", name, json.dumps(figures, ensure_ascii=False))
            write_report(path, report)
        engine.close()


if __name__ == "__main__":
    main()
