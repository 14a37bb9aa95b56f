"""How people word the rules that guidance switches: many sentences for each, some of which no lesson has.

A sentence is a pattern with words in it. Lines that change nothing are sentences too: remarks, what holds anyway said
once more (`挡风板安装不规范时不通过`), and the excuse for what is no fault (`标签无法识别也可通过`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from infra.demo.verdicts import LENIENT, SWITCHES, Switch

Wording = Literal["taught", "new sentence", "new words"]
"""Sentences and words of the lessons; sentences that no lesson has, of its words; words that no lesson has."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Words for what a rule is about. `faults` are whole phrases; `new` ones are in no lesson."""

    names: tuple[str, ...]
    good: str
    bad: str
    faults: tuple[str, ...]
    new: tuple[str, ...]


TOPICS: dict[Switch, Topic] = {
    "crooked": Topic(
        ("挡风板", "挡风板安装"),
        "规范",
        "不规范",
        ("挡风板安装不规范", "挡风板不规范", "挡风板/安装不规范", "挡风板没有安装规范"),
        ("挡风板装得不规范", "不规范的挡风板"),
    ),
    "label": Topic(
        ("标签", "设备标签"),
        "可识别",
        "无法识别",
        ("标签无法识别", "标签看不清", "标签不可识别", "有标签无法识别", "无法识别的标签"),
        ("标签不能识别", "标签没有看清"),
    ),
    "fibre": Topic(
        ("光纤", "光纤线缆"),
        "有保护",
        "无保护",
        ("光纤无保护", "光纤没有保护", "光纤/无保护", "有光纤无保护", "没有保护的光纤"),
        ("光纤缺少保护", "无保护的光纤"),
    ),
    "screw": Topic(
        ("安装螺丝", "BBU设备的安装螺丝"),
        "符合要求",
        "不符合要求",
        ("安装螺丝不符合要求", "安装螺丝/不符合要求", "有安装螺丝不符合要求", "安装螺丝没有符合要求"),
        ("安装螺丝不合要求", "不符合要求的安装螺丝"),
    ),
    "cabinet": Topic(
        ("机柜侧接地螺丝", "机柜侧的接地螺丝", "机柜侧螺丝"),
        "符合要求",
        "不符合要求",
        ("机柜侧接地螺丝不符合要求", "机柜侧的接地螺丝不符合要求"),
        ("机柜侧接地的螺丝", "接地螺丝中机柜侧的"),
    ),
    "wires": Topic(
        ("接地线", "接地线缆"),
        "捆扎整齐",
        "散乱",
        ("接地线散乱", "接地线没有捆扎", "接地线/散乱", "有接地线散乱", "散乱的接地线"),
        ("接地线捆扎不整齐", "接地线不整齐"),
    ),
}

STRICT = (
    "{fault}时不通过",
    "{fault}的不通过",
    "{fault}就不通过",
    "{fault}，判不通过",
    "{fault}的判不通过",
    "{fault}时判定为不通过",
    "{fault}的不能通过",
    "{fault}不可通过",
    "{fault}一律不通过",
    "只要{fault}就不通过",
    "如果{fault}，不通过",
    "发现{fault}，判不通过",
    "不允许{fault}",
    "{name}要{good}，{bad}的判不通过",
    "{name}必须{good}",
    "{name}都要{good}，否则不通过",
    "{name}应{good}，不能{bad}",
    "{name}{bad}的工单不通过",
    "检查{name}是否{good}，{bad}时不通过",
    "{fault}算不符合要求",
    "{name}{bad}时判不通过",
    "{name}{bad}就不可通过",
    "要求{name}都{good}",
    "照片里{fault}就判不通过",
    "工单里{fault}的，不通过",
    "{name}不可{bad}",
    "{name}{bad}时不能判通过",
    "判不通过：{fault}",
)
NEW_STRICT = (
    "{fault}的工单不可通过",
    "{name}{bad}，一律判定为不通过",
    "要求{name}{good}，否则判不通过",
    "发现{name}{bad}就不能通过",
)
EXCUSES = (
    "{fault}也可通过",
    "{fault}也通过",
    "{fault}时可以通过",
    "{fault}时也通过",
    "{fault}的也可以通过",
    "{fault}不算问题",
    "{fault}没有问题",
    "{fault}不影响判定",
    "{fault}不影响结论",
    "{fault}时不判不通过",
    "{fault}可以接受",
    "允许{fault}",
    "不检查{name}是否{good}",
    "{name}不要求{good}",
    "{name}是否{good}不影响通过",
    "{name}{bad}的工单也可通过",
    "{name}{bad}不算不符合要求",
    "不要求{name}{good}，{bad}也可",
    "如果{fault}，仍可通过",
    "不因为{fault}判不通过",
    "{name}{bad}时也可通过",
    "{name}{bad}不影响判定",
    "允许{name}{bad}，不判不通过",
    "照片里{fault}也判通过",
    "工单里{fault}的，也可通过",
    "不检查{fault}",
    "{name}{bad}时不算问题",
    "可通过：{fault}",
)
NEW_EXCUSES = ("{fault}的工单可以通过", "{name}{bad}没有问题，也通过", "检查时允许{name}{bad}", "{name}{bad}时仍判通过")

# The switch `cabinet` is about screws that nobody need see, which no phrase for a fault says.
UNSEEN = (
    "{name}不检查",
    "不检查{name}",
    "不要求{name}",
    "{name}没有拍到也可通过",
    "{name}没有也可通过",
    "没有{name}也通过",
    "{name}不作要求",
    "{name}可以没有",
    "{name}不影响判定",
    "{name}不影响结论",
    "{name}没有、不符合要求都可通过",
    "{name}是否符合要求都可通过",
    "{name}不用检查",
    "只看接地排侧的接地螺丝",
    "只检查接地排侧接地螺丝",
    "接地螺丝只看接地排侧",
    "接地螺丝只要接地排侧符合要求",
    "判定时不看{name}",
    "如果没有{name}，仍可通过",
    "{name}有没有都不影响判定",
    "检查不要求{name}",
    "只要接地排侧符合要求就可通过",
    "照片里没有{name}也可通过",
)
NEW_UNSEEN = ("检查时不看{name}", "{name}有没有都可通过", "只要求接地排侧的接地螺丝", "{name}没有拍到不算问题")

REMARKS = (
    "一根光纤断成几段仍算一根",
    "图纸和纸张不计入摘要",
    "标签多为黄色纸签",
    "光模块数量不检查",
    "无关图片不影响结论",
    "同一设备可能出现在几张照片里",
    "挡风板安装在两台BBU设备之间",
    "接地线从接地排引出",
    "标签的颜色不影响判定",
    "光纤的数量不作要求",
    "品牌有华为、中兴、爱立信",
    "照片不清楚时只看能看清的部分",
    "机柜侧和接地排侧要分开看",
    "安装螺丝在BBU设备两端",
)
NEW_REMARKS = ("标签是白色或者黄色的", "光模块的数量不影响判定", "一张照片里可能有两台BBU设备", "接地线的数量不作要求")


class Phrasebook:
    """Words the switches of a mission. `wording` says whether sentences or words are such as lessons have."""

    def __init__(self, wording: Wording = "taught") -> None:
        self.wording = wording

    def switched(self, switch: Switch, rng: random.Random) -> str:
        """A sentence that turns a switch on."""
        if switch == "cabinet":
            return self._say(UNSEEN, NEW_UNSEEN, switch, rng)
        return self._excuse(switch, rng) if switch in LENIENT else self._strict(switch, rng)

    def idle(self, switch: Switch, rng: random.Random) -> str:
        """A sentence on the topic of a switch that is off, which leaves it off."""
        return self._strict(switch, rng) if switch in LENIENT else self._excuse(switch, rng)

    def remark(self, rng: random.Random) -> str:
        """A sentence that decides nothing."""
        return rng.choice(REMARKS if self.wording == "taught" else NEW_REMARKS)

    def lines(self, mission: str, on: frozenset[Switch], rng: random.Random) -> list[tuple[str, Switch | None]]:
        """Guidance that turns these switches on and no others, in any order, each line with what it turns on."""
        told: list[tuple[str, Switch | None]] = [(self.switched(switch, rng), switch) for switch in sorted(on)]
        off = [switch for switch in SWITCHES[mission] if switch not in on]
        told += [(self.idle(switch, rng), None) for switch in off if rng.random() < 0.15]
        told += [(self.remark(rng), None) for _ in range(rng.choice((0, 0, 1, 2)))]
        rng.shuffle(told)
        return told

    def _strict(self, switch: Switch, rng: random.Random) -> str:
        return self._say(STRICT, NEW_STRICT, switch, rng)

    def _excuse(self, switch: Switch, rng: random.Random) -> str:
        return self._say(EXCUSES, NEW_EXCUSES, switch, rng)

    def _say(self, taught: tuple[str, ...], new: tuple[str, ...], switch: Switch, rng: random.Random) -> str:
        topic, new_words = TOPICS[switch], self.wording == "new words"
        patterns = new if self.wording == "new sentence" else taught
        if new_words:  # the new words must be in the sentence
            part = "{name}" if patterns is UNSEEN else "{fault}"
            patterns = tuple(pattern for pattern in patterns if part in pattern)
        names = topic.new if new_words and switch == "cabinet" else topic.names
        fault = rng.choice(topic.new if new_words and switch != "cabinet" else topic.faults)
        return rng.choice(patterns).format(name=rng.choice(names), good=topic.good, bad=topic.bad, fault=fault)
