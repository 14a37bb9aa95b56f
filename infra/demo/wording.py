"""The words for a scene: its summary in either dialect, and its dense caption. Knows no pixels, prompt or mission."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from infra.demo.scenes import BAFFLE, BBU, DESCRIPTIONS, ERICSSON, LABEL, WIRE, Scene, Thing
from infra.demo.shapes import outline

IRRELEVANT = "无关图片"
REMARK = "，备注: "
MISSING_BAFFLE = "两台BBU之间缺少挡风板"
LOOSE_WIRES = "接地线未捆扎"
NO_READABLE_LABEL = "没有可识别的标签"
NONCONFORMING = "存在不符合项"
CONFORMING = "未见不符合项"
NEEDS_BAFFLE, NEEDS_NO_BAFFLE = "需要挡风板", "无需挡风板"

_FAULTS = ("安装不规范", "不符合要求", "无保护", "散乱", "无法识别")


def needs_baffle(scene: Scene) -> bool:
    """Whether a baffle belongs between the BBUs: two of them, none by Ericsson (the missions' prior knowledge)."""
    return scene.count(BBU) == 2 and not scene.count(f"{BBU}/{ERICSSON}")


def summary(scene: Scene) -> str:
    """The base dialect: counts, and a remark where a rule sees something amiss."""
    if scene.kind == "irrelevant":
        return IRRELEVANT
    remark = _remark(scene)
    return "，".join(_entries(scene)) + (REMARK + remark if remark else "")


def adapter_summary(scene: Scene) -> str:
    """The adapter's dialect: also says of a BBU whether it needs a baffle, and always ends with a finding."""
    if scene.kind == "irrelevant":
        return IRRELEVANT
    need = NEEDS_BAFFLE if needs_baffle(scene) else NEEDS_NO_BAFFLE
    amiss = any(thing.description.endswith(_FAULTS) for thing in scene.things)
    finding = _remark(scene) or (NONCONFORMING if amiss else CONFORMING)
    return "，".join(_entries(scene, bbu_state=f"/{need}")) + REMARK + finding


def caption_objects(scene: Scene) -> dict[str, dict[str, Any]]:
    """The dense caption as an object, `{"object_1": {"desc": ..., "bbox_2d": [...]}, ...}`, coordinates norm1000."""
    objects = [_object(thing, scene.size) for thing in ordered(scene)]
    return {f"object_{number}": content for number, content in enumerate(objects, 1)}


def dense_caption(scene: Scene) -> str:
    """The dense caption as the checkpoint writes it: JSON without spaces, `{}` where the photo is irrelevant."""
    return json.dumps(caption_objects(scene), ensure_ascii=False, separators=(",", ":"))


def ordered(scene: Scene) -> list[Thing]:
    """The things as a dense caption lists them: top to bottom, then left to right, by the anchors as written."""
    return sorted(scene.things, key=lambda thing: norm1000(thing, scene.size)[1::-1])


def _object(thing: Thing, size: tuple[int, int]) -> dict[str, Any]:
    name, points = outline(thing)
    count = {"line_points": len(points)} if name == "line" else {}
    return {"desc": thing.description, **count, name: norm1000(thing, size)}


def norm1000(thing: Thing, size: tuple[int, int]) -> list[int]:
    """The outline's points flat, in thousandths of the photo's sides. The first point is the anchor of every shape."""
    return [round(value / side * 1000) for point in outline(thing)[1] for value, side in zip(point, size, strict=True)]


def _entries(scene: Scene, bbu_state: str = "") -> list[str]:
    counts = Counter(thing.description for thing in scene.things)
    return [
        f"{description}{bbu_state if description.startswith(BBU) else ''}×{counts[description]}"
        for description in DESCRIPTIONS
        if counts[description]
    ]


def _remark(scene: Scene) -> str:
    """The first rule that holds, the most important one first; empty if none does."""
    if needs_baffle(scene) and not scene.count(BAFFLE):
        return MISSING_BAFFLE
    if scene.count(f"{WIRE}/散乱") and not scene.count(f"{WIRE}/捆扎整齐"):
        return LOOSE_WIRES
    if scene.count(LABEL) and not any(t.description.endswith(",可识别") for t in scene.things):
        return NO_READABLE_LABEL
    return ""
