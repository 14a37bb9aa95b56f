"""Tickets and critics as trimmed token ids, in batches that share the system text. Knows no model.

A batch is read in three steps: the system text once, each sheet (mission, guidance) once, then each ticket's own part.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from tokenizers import Tokenizer

from infra.demo.tokenizer import IM_END
from infra.demo.training.critics import candidate, opinion
from infra.demo.training.model import Trim
from infra.demo.training.tickets import Box, Sheet, Ticket
from infra.demo.verdicts import EVIDENCE_OF, FAULTS, SWITCHES, faults
from tasks.records.prompts import read_part
from tasks.verdicts.critic import candidate_text
from tasks.verdicts.evidence import quoted
from tasks.verdicts.prompts import judge_prompt

Kind = Literal["verdict", "critic"]
EFFECTS = ("", *sorted({switch for some in SWITCHES.values() for switch in some}))
"""What a line of guidance may turn on: nothing, or a switch."""
TOLD = (*FAULTS, *(name for some in EVIDENCE_OF.values() for name in some))
"""What a photo's line is taught to tell: faults and evidence. First those that any rule may see, then, a layer later,
those that count under the guidance."""
MOST = 8
"""Photos of the largest ticket."""
MANY = 4
"""From so many photos on there are half as many tickets under a sheet."""

FOUND, DIFFERS = '"critique": "', 3
"""What stands before a critic's finding, and after how many characters no two findings are the same."""

Facts = tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class SheetLesson:
    """A sheet's ids; `lines` are (place of a line's end, index of its effect)."""

    ids: tuple[int, ...]
    lines: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class TicketLesson:
    """A ticket's ids with its answer, which begins at `first`.

    `telling` are the places within the answer that hang on most: photos' numbers, what a critic finds. `photos` are
    (place of a line's end, what is there, what counts under the guidance, which photos the line is about).
    """

    ids: tuple[int, ...]
    first: int
    telling: tuple[int, ...]
    photos: tuple[tuple[int, Facts, Facts, Facts], ...]


@dataclass(frozen=True, slots=True)
class Lessons:
    """A batch: as many tickets for each sheet."""

    head: tuple[int, ...]
    sheets: tuple[SheetLesson, ...]
    tickets: tuple[tuple[TicketLesson, ...], ...]


class VerdictTeacher:
    """Makes lessons from a box of tickets."""

    def __init__(self, tokenizer: Tokenizer, trim: Trim, box: Box) -> None:
        self.tokenizer, self.trim, self.box = tokenizer, trim, box
        self.whole_system = True
        self._head = lru_cache(maxsize=8)(self._encoded_head)

    def batches(self, sheets: int, each: int, critics: float, twins: float, seed: int) -> Iterator[Lessons]:
        """Endless batches; `critics` is the share of them that asks a critic, `twins` the share of the verdicts' sheets
        that come a second time with one line more or less. Sheets of like length are together."""
        rng, at = random.Random(f"lessons {seed}"), seed * 10**7
        while True:
            some: list[Lessons] = []
            asking = sum(rng.random() < critics for _ in range(8))
            kinds: tuple[tuple[Kind, int], ...] = (("verdict", 8 - asking), ("critic", asking))
            for kind, count in kinds:
                drawn: dict[int, list[list[Ticket]]] = {each: [], max(1, each // 2): []}
                left = count * sheets
                while left > 0:
                    tickets = self._draw(at, each, rng)
                    twin = self._twin(tickets) if kind == "verdict" and rng.random() < twins else None
                    some_sheets = [tickets, twin] if twin else [tickets]
                    drawn[len(tickets)] += some_sheets
                    left -= len(some_sheets)
                    at += each
                for alike in drawn.values():
                    alike.sort(key=lambda tickets: max(sum(len(p.text) for p in t.photos) for t in tickets))
                    some += [self.batch(kind, alike[i : i + sheets]) for i in range(0, len(alike), sheets)]
            rng.shuffle(some)
            yield from some

    def _draw(self, first: int, each: int, rng: random.Random) -> list[Ticket]:
        """Tickets of a new sheet, and of one size."""
        sheet, size = self.box.sheet(rng), rng.choice(self.box.sizes)
        count = each if size < MANY else max(1, each // 2)
        return [self.box.ticket(first + i, sheet, size=size) for i in range(count)]

    def _twin(self, tickets: list[Ticket]) -> list[Ticket] | None:
        """The tickets under a sheet that lessons may have, with a line more or less that turns one of them around."""
        for ticket in tickets:
            other = self.box.toggled(ticket)
            if other and self.box.teaches(other.sheet):
                return [replace(one, sheet=other.sheet) for one in tickets]
        return None

    def batch(self, kind: Kind, tickets: list[list[Ticket]]) -> Lessons:
        """The lessons of sheets' tickets; all tickets of a list have the same sheet."""
        return Lessons(
            self._head(kind, self.whole_system),
            tuple(self._sheet(kind, some[0].sheet) for some in tickets),
            tuple(tuple(self._ticket(kind, ticket) for ticket in some) for some in tickets),
        )

    def _encoded_head(self, kind: Kind, whole: bool) -> tuple[int, ...]:
        system = read_part(f"{kind}_system")
        system = system if whole else system.split("\n")[0]
        return self._ids(f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n")

    def _sheet(self, kind: Kind, sheet: Sheet) -> SheetLesson:
        text = judge_prompt(kind, sheet.mission, sheet.guidance).user
        encoded = self.tokenizer.encode(text)
        starts = {begin: place for place, (begin, end) in enumerate(encoded.offsets) if end > begin}
        lines, at = [], 0
        for number, line in enumerate(sheet.lines, start=1):
            told = f"[G{number}] {line.text}"
            at = text.index(told, at) + len(told)
            lines.append((starts[at], EFFECTS.index(line.switch or "")))
        return SheetLesson(tuple(map(self.trim.small, encoded.ids)), tuple(lines))

    def _ticket(self, kind: Kind, ticket: Ticket) -> TicketLesson:
        text, answer = ticket.evidence.text(), ticket.answer
        if kind == "critic":
            told = candidate(ticket)
            text, answer = text + candidate_text(told.text), opinion(ticket, told)
        encoded = self.tokenizer.encode(f"{text}<|im_end|>\n<|im_start|>assistant\n")
        starts = {begin: place for place, (begin, end) in enumerate(encoded.offsets) if end > begin}
        photos = {}
        for photo in ticket.photos:
            line = f": {quoted(photo.text)}\n"
            amiss = faults(photo, ticket.sheet.mission, ticket.sheet.on)
            there, counts = (
                tuple(name in some or name in photo.shows for name in TOLD) for some in (photo.faults, amiss)
            )
            numbers = tuple(
                number < len(ticket.photos) and ticket.photos[number].text == photo.text for number in range(MOST)
            )
            photos[starts[text.index(line) + len(line) - 1]] = there, counts, numbers
        asked = tuple(map(self.trim.small, encoded.ids))
        told_ids = (*self._ids(answer), self.trim.small(IM_END))
        lines = tuple((place, *facts) for place, facts in photos.items())
        return TicketLesson((*asked, *told_ids), len(asked), self._telling(answer), lines)

    def _telling(self, answer: str) -> tuple[int, ...]:
        """Places of the photos' numbers, each with the token after it (whether another one follows), and of the words
        in which a critic's finding differs from others."""
        spans = self.tokenizer.encode(answer).offsets
        said = [answer[begin:end] for begin, end in spans]
        numbers = [place for place in range(1, len(said)) if said[place - 1] == "_" and said[place].isdigit()]
        first = answer.find(FOUND) + len(FOUND) if FOUND in answer else len(answer)
        found = [place for place, (begin, end) in enumerate(spans) if begin < first + DIFFERS and end > first]
        return tuple(sorted({near for place in numbers for near in (place, place + 1)} | set(found)))

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(map(self.trim.small, self.tokenizer.encode(text).ids))
