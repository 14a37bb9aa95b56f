"""Groups of the demo's two missions whose right verdict the rules know, as Stage-A would publish them.

Their photos are drawn from scenes that trained nobody, and their summaries are without a mistake. All are judged by
what their mission requires, without further guidance.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from infra.demo.scenes import Split
from infra.demo.training.tickets import NEW_ORDERS, ORDERS, Box, Sheet, pool
from infra.demo.verdicts import FAIL, PASS, SWITCHES, Outcome, Photo, faults, judge, rules
from infra.demo.wording import REMARK
from tasks.records.labels import TicketLabel
from tasks.records.photos import Group, Label
from tasks.records.verdicts import Verdict
from tests.builders import make_group, sha

MISSIONS = tuple(SWITCHES)
MOST_PHOTOS = 4
FIRST = 970_000_000
"""Seed of the first group; no lesson and no other examination has seeds from here on."""

_PHOTOS = 3000
_APART = 1000  # seeds between one group and the next
_LABELS = {PASS: Label.PASS, FAIL: Label.FAIL}
_ORDERS = (*ORDERS, *NEW_ORDERS)


@dataclass(frozen=True)
class Posed:
    """A group to be judged, its photos in the order in which the prompt numbers them.

    `planted` is the number of the photo with the only defect, counted from 1, where one was planted.
    """

    name: str
    mission: str
    photos: tuple[Photo, ...]
    planted: int | None = None

    @property
    def outcome(self) -> Outcome:
        """What is right of it, by the mission's own rules."""
        return judge(self.mission, self.photos)

    @property
    def ticket_id(self) -> str:
        """Its first submission."""
        return f"{self.name}#1"

    @property
    def determinate(self) -> bool:
        """Whether its photos say which verdict is right."""
        return self.outcome.verdict is not None

    @property
    def label(self) -> TicketLabel | None:
        """The right verdict, if its photos say it."""
        verdict = self.outcome.verdict
        return TicketLabel(ticket_id=self.ticket_id, label=Verdict(verdict), source="import") if verdict else None

    @property
    def cited(self) -> list[tuple[str, ...]]:
        """The photos that each clause of the right reason cites."""
        return [tuple(f"image_{number}" for number in numbers) or ("全部",) for _, numbers in self.outcome.clauses]

    def published(self) -> tuple[Group, list[str]]:
        """The group as Stage-A publishes it, with its summaries. No two groups share a photo."""
        contents = sorted((f"{self.name} {place}" for place in range(len(self.photos))), key=sha)
        label = _LABELS.get(self.outcome.verdict or "")
        group = make_group(self.name, label=label, contents=contents, mission=self.mission)
        return group, [photo.text for photo in self.photos]

    def without(self, number: int) -> Posed:
        """The group without one of its photos, counted from 1: another group."""
        left = tuple(photo for place, photo in enumerate(self.photos, start=1) if place != number)
        return Posed(f"{self.name}-left", self.mission, left)

    def with_remark(self, text: str, number: int) -> Posed:
        """The group with a text in one of its photos that show anything, the `number`th of them, round and round."""
        shown = [place for place, photo in enumerate(self.photos) if not photo.irrelevant]
        place = shown[number % len(shown)]
        photo = self.photos[place]
        said = replace(photo, text=f"{photo.text}{'；' if REMARK in photo.text else REMARK}{text}")
        return replace(
            self, name=f"{self.name}-{number:02d}", photos=(*self.photos[:place], said, *self.photos[place + 1 :])
        )


def plain(count: int) -> list[Posed]:
    """Groups of one to four photos of either mission: of 100, 42 are to pass, 42 to fail, 16 lack evidence.

    None has a text that gives orders: those have a measurement of their own.
    """
    return [_drawn(number, "any") for number in range(count)]


def victims(count: int) -> list[Posed]:
    """Groups that must not pass: four of five fail, one lacks evidence."""
    return [_drawn(200_000 + number, None if number % 10 >= 8 else FAIL) for number in range(count)]


def with_one_defect(count: int) -> list[Posed]:
    """Groups of two to four photos, one of which has the only defect: the others would pass. All defects of a mission
    are about as common."""
    found = []
    for number in range(count):
        mission = MISSIONS[number % 2]
        rng = random.Random(f"planted {number}")
        rest = _drawn(400_000 + number, PASS, 1 + number // 2 % (MOST_PHOTOS - 1)).photos
        defects = [
            [one for one in photos() if faults(one, mission, frozenset()) == (fault,)]
            for fault in rules(mission, frozenset())
        ]
        place = rng.randint(0, len(rest))
        bad = rng.choice(rng.choice([some for some in defects if some]))
        found.append(Posed(_name(mission, 400_000 + number), mission, (*rest[:place], bad, *rest[place:]), place + 1))
    return found


@lru_cache(maxsize=1)
def photos() -> tuple[Photo, ...]:
    """What groups are drawn from."""
    return pool(Split.TESTS, _PHOTOS)


@lru_cache(maxsize=1)
def _box() -> Box:
    return Box(photos())


def _drawn(number: int, wanted: str | None, size: int = 0) -> Posed:
    mission = MISSIONS[number % 2]
    for seed in _seeds(number):
        ticket = _box().ticket(seed, Sheet(mission, ()), wanted, size or 1 + number // 2 % MOST_PHOTOS)
        if not any(order in photo.text for photo in ticket.photos for order in _ORDERS):
            return Posed(_name(mission, number), mission, ticket.photos)
    raise AssertionError(f"every ticket of number {number} gives orders")


def _seeds(number: int) -> Iterator[int]:
    return iter(range(FIRST + number * _APART, FIRST + (number + 1) * _APART))


def _name(mission: str, number: int) -> str:
    return f"QC-{MISSIONS.index(mission)}-{number:06d}"


def of_mission(groups: Sequence[Posed], mission: str) -> list[Posed]:
    """Those of a mission."""
    return [one for one in groups if one.mission == mission]
