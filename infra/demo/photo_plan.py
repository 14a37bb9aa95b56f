"""Which work orders the demo shows: 24 group folders and 120 photo files of two missions. Knows no pixels.

A theme says what a group's photos show; a label of 审核不通过 always has its reason in at least one photo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infra.demo.scenes import (
    BAFFLE,
    BAR_SIDE,
    BBU,
    CABINET_SIDE,
    ERICSSON,
    GROUND_SCREW,
    HUAWEI,
    WIRE,
    ZTE,
    Scene,
)
from infra.demo.wording import needs_baffle

BAFFLES, GROUNDING = "挡风板安装检查", "BBU接地线检查"
PASS, FAIL, PENDING, UNSORTED = "审核通过", "审核不通过", "待审核", ""

Predicate = Callable[[Scene], bool]


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """One group folder. `shares` copies that many photos, byte for byte, from the same group's other submission."""

    mission: str
    label: str
    group_id: str
    photos: int
    theme: str
    brand: str = HUAWEI
    names: str = "phone"
    complete: bool = True
    png: bool = False
    oddity: str = ""
    shares: int = 0

    @property
    def folder(self) -> str:
        """The group's folder under the demo root, with `/` between the parts."""
        return "/".join(part for part in (self.mission, self.label, self.group_id) if part)

    @property
    def answer_name(self) -> str:
        """How the answer key names the group."""
        return f"{self.label if self.label in (PASS, FAIL) else '未标注'}/{self.group_id}"


GROUPS: tuple[GroupPlan, ...] = (
    GroupPlan(BAFFLES, PASS, "QC-20260302-0001", 6, "baffle fitted", HUAWEI, "img"),
    GroupPlan(BAFFLES, PASS, "QC-20260302-0002", 5, "single BBU", ZTE, complete=False),
    GroupPlan(BAFFLES, PASS, "QC-20260303-0003", 4, "two Ericsson", ERICSSON, "camera"),
    GroupPlan(BAFFLES, PASS, "QC-20260304-0004", 7, "baffle fitted", ZTE, "chinese"),
    GroupPlan(BAFFLES, FAIL, "QC-20260305-0005", 5, "baffle missing", HUAWEI),
    GroupPlan(BAFFLES, PASS, "QC-20260305-0005", 6, "baffle fitted", HUAWEI, shares=3),
    GroupPlan(BAFFLES, FAIL, "QC-20260306-0006", 6, "baffle missing", ZTE, "img"),
    GroupPlan(BAFFLES, FAIL, "QC-20260307-0007", 5, "baffle crooked", HUAWEI, "chinese"),
    GroupPlan(BAFFLES, FAIL, "QC-20260308-0008", 3, "baffle missing", HUAWEI, oddity="truncated"),
    GroupPlan(BAFFLES, PENDING, "QC-20260309-0009", 8, "baffle fitted", HUAWEI, "img"),
    GroupPlan(BAFFLES, PENDING, "QC-20260309-0010", 4, "baffle missing", ZTE, complete=False, oddity="irrelevant"),
    GroupPlan(BAFFLES, UNSORTED, "QC-20260310-0011", 1, "single BBU", ERICSSON, "camera"),
    GroupPlan(BAFFLES, UNSORTED, "QC-20260310-0012", 0, "single BBU", complete=False, oddity="empty"),
    GroupPlan(GROUNDING, PASS, "QC-20260302-0101", 8, "grounded", HUAWEI, "img"),
    GroupPlan(GROUNDING, PASS, "QC-20260302-0102", 5, "grounded", ZTE, oddity="notes"),
    GroupPlan(GROUNDING, PASS, "QC-20260303-0103", 6, "grounded", ERICSSON, "chinese"),
    GroupPlan(GROUNDING, PASS, "QC-20260304-0104", 4, "grounded", HUAWEI, png=True),
    GroupPlan(GROUNDING, FAIL, "QC-20260305-0105", 7, "screw amiss", HUAWEI, "img"),
    GroupPlan(GROUNDING, FAIL, "QC-20260306-0106", 6, "wires loose", ZTE, "camera", oddity="thumbnails"),
    GroupPlan(GROUNDING, FAIL, "QC-20260307-0107", 3, "screw amiss", ERICSSON, complete=False),
    GroupPlan(GROUNDING, PENDING, "QC-20260308-0108", 8, "grounded", ZTE, "img"),
    GroupPlan(GROUNDING, PENDING, "QC-20260308-0109", 5, "wires loose", HUAWEI, "chinese"),
    GroupPlan(GROUNDING, UNSORTED, "QC-20260309-0110", 6, "grounded", HUAWEI, png=True),
    GroupPlan(GROUNDING, UNSORTED, "QC-20260309-0111", 2, "screw amiss", ZTE, complete=False),
)


def _single(scene: Scene) -> bool:
    return scene.kind == "rack" and scene.count(BBU) == 1 and not scene.count(BAFFLE)


def _fitted(scene: Scene) -> bool:
    return needs_baffle(scene) and scene.count(f"{BAFFLE}/安装规范") == 1


def _missing(scene: Scene) -> bool:
    return needs_baffle(scene) and not scene.count(BAFFLE)


def _crooked(scene: Scene) -> bool:
    return needs_baffle(scene) and scene.count(f"{BAFFLE}/安装不规范") == 1


def _two_ericsson(scene: Scene) -> bool:
    return scene.count(f"{BBU}/{ERICSSON}") == 2 and not scene.count(BAFFLE)


def _nothing_amiss(scene: Scene) -> bool:
    screws_amiss = any(t.kind == GROUND_SCREW and t.traits[1] == "不符合要求" for t in scene.things)
    return scene.kind == "ground" and not screws_amiss and not scene.count(f"{WIRE}/散乱")


def _grounded(scene: Scene) -> bool:
    sides = all(scene.count(f"{GROUND_SCREW}/{side}/符合要求") for side in (CABINET_SIDE, BAR_SIDE))
    return _nothing_amiss(scene) and sides and scene.count(f"{WIRE}/捆扎整齐") > 0


def _screw_amiss(scene: Scene) -> bool:
    return scene.kind == "ground" and any(t.kind == GROUND_SCREW and t.traits[1] == "不符合要求" for t in scene.things)


def _wires_loose(scene: Scene) -> bool:
    return scene.kind == "ground" and scene.count(f"{WIRE}/散乱") > 0


def _detail(scene: Scene) -> bool:
    """A photo that any baffle group may hold: it says nothing about baffles."""
    return scene.kind == "fibre" or _single(scene)


# What a theme's telling photos show, and what its other photos show.
THEMES: dict[str, tuple[Predicate, Predicate]] = {
    "baffle fitted": (_fitted, _detail),
    "baffle missing": (_missing, _detail),
    "baffle crooked": (_crooked, _detail),
    "single BBU": (_single, _detail),
    "two Ericsson": (_two_ericsson, _detail),
    "grounded": (_grounded, _nothing_amiss),
    "screw amiss": (_screw_amiss, _nothing_amiss),
    "wires loose": (_wires_loose, _nothing_amiss),
}


def suits(plan: GroupPlan, index: int, scene: Scene) -> bool:
    """Whether the scene may be the group's photo `index`: right content, and no other maker's BBU."""
    if plan.oddity == "irrelevant" and index == plan.photos - 1:
        return scene.kind == "irrelevant"
    telling, other = THEMES[plan.theme]
    ours = scene.count(BBU) == scene.count(f"{BBU}/{plan.brand}")
    # Every second photo tells; shared photos must suit both submissions, so the first ones never do.
    tells = index % 2 == 1 if plan.group_id != "QC-20260305-0005" else index >= 3
    return ours and (telling if tells or plan.photos == 1 else other)(scene)
