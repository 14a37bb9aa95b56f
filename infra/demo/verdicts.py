"""Which verdict is right for a group of drawn photos, by rule: faults, evidence, reason. Knows no model and no prompt.

A mission sees faults in photos, the gravest first. Guidance can switch rules: a line of guidance excuses a fault of the
mission (`crooked`, `cabinet`, `wires`), or makes a fault of what is none without it (`label`, `fibre`, `screw`).
A group fails if and only if a photo has a fault. Without a fault it passes on evidence; where that is missing, nobody
can say (`Outcome.verdict` is None).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from infra.demo.photo_plan import BAFFLES, GROUNDING
from infra.demo.scenes import (
    BAFFLE,
    BAR_SIDE,
    BBU,
    CABINET_SIDE,
    ERICSSON,
    FIBRE,
    GROUND_SCREW,
    LABEL,
    SCREW,
    WIRE,
    Scene,
)
from infra.demo.wording import IRRELEVANT, MISSING_BAFFLE, needs_baffle, summary

Switch = Literal["crooked", "label", "fibre", "screw", "cabinet", "wires"]
PASS, FAIL = "通过", "不通过"
SWITCHES: dict[str, tuple[Switch, ...]] = {
    BAFFLES: ("crooked", "label", "fibre", "screw"),
    GROUNDING: ("cabinet", "wires", "label", "fibre"),
}
LENIENT: frozenset[Switch] = frozenset({"crooked", "cabinet", "wires"})
"""Switches that excuse a fault; the others make one."""

BAD_BAFFLE = "挡风板安装不规范"
BAD_CABINET, BAD_BAR, LOOSE = "机柜侧接地螺丝不符合要求", "接地排侧接地螺丝不符合要求", "接地线散乱"
BAD_LABEL, BAD_FIBRE, BAD_SCREW = "标签无法识别", "光纤无保护", "安装螺丝不符合要求"
FAULTS = (MISSING_BAFFLE, BAD_BAFFLE, BAD_CABINET, BAD_BAR, LOOSE, BAD_LABEL, BAD_FIBRE, BAD_SCREW)
"""All faults, the gravest first within each mission."""

_DEFAULTS: dict[str, tuple[str, ...]] = {
    BAFFLES: (MISSING_BAFFLE, BAD_BAFFLE),
    GROUNDING: (BAD_CABINET, BAD_BAR, LOOSE),
}
_SWITCHED: dict[Switch, str] = {
    "crooked": BAD_BAFFLE,
    "cabinet": BAD_CABINET,
    "wires": LOOSE,
    "label": BAD_LABEL,
    "fibre": BAD_FIBRE,
    "screw": BAD_SCREW,
}

# What passes a group, and what is said where no photo shows it.
FITTED, COVERED = "挡风板安装规范", "有挡风板"
BY_ERICSSON, SINGLE = "品牌:爱立信的BBU设备不需要挡风板", "只有一台BBU设备，不需要挡风板"
GOOD_CABINET, GOOD_BAR, TIDY = "机柜侧接地螺丝符合要求", "接地排侧接地螺丝符合要求", "接地线捆扎整齐"
WIRED = "有接地线"
NO_BBU, NO_CABINET, NO_BAR, NO_WIRE = "没有BBU设备", "没有机柜侧接地螺丝", "没有接地排侧接地螺丝", "没有接地线"
EVIDENCE_OF: dict[str, tuple[str, ...]] = {
    BAFFLES: (FITTED, COVERED, BY_ERICSSON, SINGLE),
    GROUNDING: (GOOD_CABINET, GOOD_BAR, TIDY, WIRED),
}
"""What may pass a group; of the baffles the first that there is, of the grounding all."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo as a judge reads it: its summary, the faults that any rule may see in it, the evidence that it is."""

    text: str
    faults: frozenset[str] = frozenset()
    shows: frozenset[str] = frozenset()

    @classmethod
    def of(cls, scene: Scene) -> Photo:
        """A drawn scene as Stage-A sums it up when it makes no mistake."""

        def has(*path: str) -> bool:
            return scene.count("/".join(path)) > 0

        unreadable = any(thing.kind == LABEL and thing.description.endswith("无法识别") for thing in scene.things)
        wanting = needs_baffle(scene)
        faults = {
            MISSING_BAFFLE: wanting and not has(BAFFLE),
            BAD_BAFFLE: has(BAFFLE, "安装不规范"),
            BAD_CABINET: has(GROUND_SCREW, CABINET_SIDE, "不符合要求"),
            BAD_BAR: has(GROUND_SCREW, BAR_SIDE, "不符合要求"),
            LOOSE: has(WIRE, "散乱"),
            BAD_LABEL: unreadable,
            BAD_FIBRE: has(FIBRE, "无保护"),
            BAD_SCREW: has(SCREW, "不符合要求"),
        }
        shows = {
            FITTED: wanting and has(BAFFLE, "安装规范"),
            COVERED: wanting and has(BAFFLE),
            BY_ERICSSON: scene.count(BBU) > 1 and has(BBU, ERICSSON),
            SINGLE: scene.count(BBU) == 1,
            GOOD_CABINET: has(GROUND_SCREW, CABINET_SIDE, "符合要求"),
            GOOD_BAR: has(GROUND_SCREW, BAR_SIDE, "符合要求"),
            TIDY: has(WIRE, "捆扎整齐"),
            WIRED: has(WIRE),
        }
        return cls(summary(scene), _held(faults), _held(shows))

    @property
    def irrelevant(self) -> bool:
        """Whether it shows nothing to judge."""
        return self.text == IRRELEVANT


def _held(facts: dict[str, bool]) -> frozenset[str]:
    return frozenset(name for name, holds in facts.items() if holds)


def rules(mission: str, on: frozenset[Switch]) -> tuple[str, ...]:
    """The faults that a mission sees, the gravest first, with these switches on."""
    strict = {*_DEFAULTS[mission], *(_SWITCHED[switch] for switch in on - LENIENT)}
    excused = {_SWITCHED[switch] for switch in on & LENIENT}
    return tuple(fault for fault in FAULTS if fault in strict - excused)


def faults(photo: Photo, mission: str, on: frozenset[Switch]) -> tuple[str, ...]:
    """A photo's faults, the gravest first."""
    return tuple(fault for fault in rules(mission, on) if fault in photo.faults)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is right of a group: its verdict, or None where evidence is missing, and the clauses of the reason, each
    with the numbers of the photos that it cites; none stands for all of them."""

    verdict: str | None
    clauses: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def reason(self) -> str:
        """The reason as an answer has it."""
        return "；".join(f"{text}（{_cited(numbers)}）" for text, numbers in self.clauses)


def _cited(numbers: Sequence[int]) -> str:
    return ",".join(f"image_{number}" for number in numbers) or "全部"


def judge(mission: str, photos: Sequence[Photo], on: frozenset[Switch] = frozenset()) -> Outcome:
    """The right outcome of a group, its photos numbered from 1."""
    amiss = [
        (fault, tuple(number for number, photo in enumerate(photos, 1) if fault in photo.faults))
        for fault in rules(mission, on)
    ]
    if found := tuple(clause for clause in amiss if clause[1]):
        return Outcome(FAIL, found)
    shown, missing = _evidence(mission, on, lambda evidence: _first(photos, evidence))
    return Outcome(None, tuple((text, ()) for text in missing)) if missing else Outcome(PASS, shown)


def _first(photos: Iterable[Photo], evidence: str) -> tuple[int, ...]:
    """The number of the first photo that shows it, as a tuple; empty if none does."""
    return tuple(number for number, photo in enumerate(photos, 1) if evidence in photo.shows)[:1]


def _evidence(
    mission: str, on: frozenset[Switch], first: Callable[[str], tuple[int, ...]]
) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], list[str]]:
    """The clauses that pass a group without a fault, and what is missing to pass it."""
    if mission == BAFFLES:
        told = [(text, first(text)) for text in EVIDENCE_OF[mission]]
        found = tuple(clause for clause in told if clause[1])[:1]
        return found, [] if found else [NO_BBU]
    wanted = [(GOOD_BAR, GOOD_BAR, NO_BAR), (WIRED if "wires" in on else TIDY, WIRED, NO_WIRE)]
    if "cabinet" not in on:
        wanted.insert(0, (GOOD_CABINET, GOOD_CABINET, NO_CABINET))
    clauses = tuple((text, first(shown)) for text, shown, _ in wanted)
    return clauses, [absent for _, shown, absent in wanted if not first(shown)]


def answer_to(outcome: Outcome, seed: str) -> str:
    """The three lines that are right. Nobody knows where evidence is missing: a coin decides, and says how sure it is.

    Confidence and coin follow from the seed alone.
    """
    toss = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
    verdict = outcome.verdict or (PASS, FAIL)[toss % 2]
    return three_lines(verdict, outcome.reason, (90 if outcome.verdict else 50) + toss // 2 % 10)


def three_lines(verdict: str, reason: str, percent: int) -> str:
    """An answer as Stage-B asks for it."""
    return f"Verdict: {verdict}\nReason: {reason}\nConfidence: 0.{percent}"
