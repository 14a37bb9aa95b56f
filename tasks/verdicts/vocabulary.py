"""The words of the trade: objects, what is said of them, and which words say the opposite. Knows no reason, no mission.

A word that stands in no summary must be known all the same: only then is an invented object told from a turn of phrase.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from tasks.records.grammar import Entry, Summary, as_it_looks

CONFORMS, SLEEVE = "规范", "套管"
IRRELEVANT_WORD = "无关图片"

OBJECTS = """
BBU设备 RRU设备 AAU设备 挡风板 挡板 盲板 假面板 安装螺丝 固定螺丝 接地螺丝 螺丝 紧固件 光模块 光纤 光纤插头 插头
尾纤 尾纤套管 套管 跳线 接地排 接地线 接地端子 铜鼻子 标签 线缆 电缆 电源线 网线 馈线 光缆 天线 GPS天线 扎带
线槽 走线架 波纹管 抱杆 支架 蓄电池 电池 空调 防雷箱 防雷器 整流器 空开 避雷针 风扇 滤网 交换机 路由器 灭火器
ODF架 DDF架 光交箱 防水胶带 摄像头
"""

# What is said of an object, by what it is about: the words for it, and those for its opposite.
STATES = {
    CONFORMS: (
        """安装规范 规范 规范安装 符合规范 符合要求 满足要求 符合规定 符合安装要求 符合安装规范 按要求安装
        按规范安装 合规""",
        """安装不规范 不规范 不符合规范 不符合要求 不满足要求 不合要求 不符合规定 不符合安装要求 不符合安装规范
        未按要求安装 未按规范安装 不合规""",
    ),
    "识别": (
        "可识别 能识别 可以识别 能够识别 清晰可辨 可辨认 能看清 清晰 可读 清楚",
        """无法识别 不可识别 不能识别 未能识别 难以识别 识别不了 无法辨认 难以辨认 不可辨认 看不清 无法看清 不清晰
        模糊 模糊不清 不可读 不清楚""",
    ),
    "保护": (
        "有保护 有防护 已保护 受保护 带保护 做了保护 有保护措施",
        """无保护 没有保护 没保护 未保护 未做保护 缺少保护 缺乏保护 无防护 没有防护 未防护 裸露 无保护措施
        没有保护措施""",
    ),
    "捆扎": (
        "捆扎整齐 绑扎整齐 整齐 捆扎良好 绑扎良好 已捆扎 已绑扎 捆扎好",
        """散乱 凌乱 杂乱 未捆扎 没有捆扎 没捆扎 未绑扎 没有绑扎 不整齐 捆扎不整齐 绑扎不整齐 未捆扎整齐""",
    ),
    "弯曲": (
        "弯曲半径合理 弯曲合理 弯曲半径符合要求 弯曲半径正常",
        "弯曲半径不合理 弯曲不合理 弯曲半径不符合要求 弯曲半径过小 弯曲过度 弯折",
    ),
    "紧固": (
        "紧固到位 紧固 拧紧 已紧固 牢固 已拧紧 稳固",
        "松动 未紧固 未拧紧 不牢固 松脱 紧固不到位 没有拧紧 没拧紧 未紧固到位",
    ),
    SLEEVE: ("有套管 带套管 已套管", "无套管 没有套管 没套管 未带套管 缺少套管 不带套管"),
}
VALUES = {
    "品牌": "华为 中兴 爱立信 诺基亚 大唐 烽火 三星 京信 贝尔",
    "颜色": "黄色 白色 红色 蓝色 绿色 黑色 灰色 橙色 黄绿色",
    "位置": "机柜侧 接地排侧 BBU端 ODF端 BBU侧 ODF侧 RRU侧 RRU端",
}
KEYS = ("品牌", "型号", "颜色", "位置", "厂家")

_DENIED = re.compile(r"(?:不是|并非|不|非|未|没有|没|无)$")
_NEED = re.compile(r"不?需要?|无需|无须|不必|不用")


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """A text as it looks: variants of signs, capitals and spaces make no difference; a bolt is a screw."""
    return re.sub("螺钉|螺栓", "螺丝", as_it_looks(text))


@dataclass(frozen=True, slots=True)
class Trait:
    """One thing said of an object. `about` is a key (`品牌`) or the name of a pair, `value` its value, or `+` or `-`.

    `denied` is for a key that has any other value.
    """

    about: str
    value: str
    denied: bool = False

    @property
    def opposite(self) -> Trait:
        """What is said when this is denied."""
        other = {"+": "-", "-": "+"}.get(self.value)
        return Trait(self.about, self.value, not self.denied) if other is None else Trait(self.about, other)


_STATE_WORDS = {
    fold(word): Trait(about, sign)
    for about, both in STATES.items()
    for sign, words in zip("+-", both, strict=True)
    for word in words.split()
}
_VALUE_WORDS = {fold(word): Trait(key, fold(word)) for key, words in VALUES.items() for word in words.split()}


def _written(key: str, value: str) -> list[str]:
    """The ways to write a key and its value."""
    return [f"{key}{link}{value}" for link in (":", "为", "是", "")] + ([value] if len(value) > 1 else [])


_STATE = re.compile("|".join(sorted(_STATE_WORDS, key=len, reverse=True)))


@lru_cache(maxsize=4096)
def traits_of(attribute: str) -> frozenset[Trait]:
    """What an attribute of a summary says: `品牌:华为` a key and its value, `不规范` the one side of a pair."""
    told = fold(attribute)
    key, colon, value = told.partition(":")
    rest = value if colon else told
    found = set()
    for match in _STATE.finditer(rest):
        trait = _STATE_WORDS[match[0]]
        found.add(trait.opposite if _DENIED.search(rest[: match.start()]) else trait)
    if found:
        return frozenset(found)
    if colon:
        return frozenset({Trait(key, value)})
    return frozenset({_VALUE_WORDS.get(told, Trait(told, "+"))})


def core(kind: str) -> str:
    """A type without what may be left out: `BBU设备` is a BBU."""
    return fold(kind).removesuffix("设备")


@dataclass(frozen=True, slots=True)
class Thing:
    """An entry of a summary, taken apart: the core of its type, what is said of it, how many, and the entry's text."""

    kind: str
    traits: frozenset[Trait]
    count: int
    text: str

    def is_a(self, kind: str | None) -> bool:
        """Whether it is what a word names: an `安装螺丝` is a `螺丝`. None names anything."""
        return kind is None or self.kind.endswith(kind)

    def has(self, trait: Trait) -> bool:
        """Whether that is said of it."""
        if trait.denied:
            return any(mine.about == trait.about and mine.value != trait.value for mine in self.traits)
        if trait.value in {"+", "-"}:
            return trait in self.traits
        # A value is that of whatever key has it, or stands in the type (`华为BBU设备`); `5900` is the model `BBU5900`.
        told = [mine.value for mine in self.traits]
        part = trait.about == "型号" and any(trait.value in value for value in told)
        return part or trait.value in told or trait.value in self.kind


@lru_cache(maxsize=4096)
def thing_of(entry: Entry) -> Thing:
    """An entry, taken apart."""
    kind, *told = [attribute for level in entry.levels for attribute in level]
    traits = frozenset(trait for attribute in told for trait in traits_of(attribute))
    return Thing(core(kind), traits, entry.count, f"{entry.description}×{entry.count}")


@dataclass(frozen=True, slots=True)
class Word:
    """What a word of a clause names: an object, by the core of its type, or traits."""

    means: Literal["object", "traits"]
    kind: str = ""
    traits: tuple[Trait, ...] = ()


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All words that a ticket's reasons may name: `own` are those of its summaries, beside those of the trade."""

    own: dict[str, Word]
    keys: re.Pattern[str]
    things: tuple[Thing, ...]

    def word_at(self, text: str, place: int) -> tuple[Word, int] | None:
        """The longest word that begins at a place, and where it ends."""
        for end in range(min(len(text), place + _LONGEST), place, -1):
            word = text[place:end]
            meant = self.own.get(word) or _WORDS.get(word)
            # 没有捆扎 is one word, but not in 没有捆扎整齐的接地线.
            if meant and not (word.endswith("扎") and text.startswith(("整齐", "良好"), end)):
                return meant, end
        return None

    def tells(self, kind: str | None, about: str) -> bool:
        """Whether any summary says something of that kind about such an object."""
        return any(thing.is_a(kind) and any(trait.about == about for trait in thing.traits) for thing in self.things)


def lexicon_of(summaries: Iterable[Summary]) -> Lexicon:
    """The words for a ticket with these summaries."""
    entries = [entry for summary in summaries for entry in summary.entries]
    things = tuple(thing_of(entry) for entry in entries)
    kinds = {thing.kind for thing in things}
    told = {fold(attribute) for entry in entries for level in entry.levels for attribute in level}
    told -= {fold(entry.levels[0][0]) for entry in entries} | kinds | _OBJECT_WORDS.keys()
    own: dict[str, Word] = {}
    if any(trait.about == SLEEVE for thing in things for trait in thing.traits):
        own |= {word: Word("traits", traits=(t,)) for word, t in _STATE_WORDS.items() if t.about == SLEEVE}
    keys = set(KEYS)
    for attribute in told:
        if _NEED.match(attribute):
            continue
        traits = tuple(traits_of(attribute))
        key, colon, value = attribute.partition(":")
        if colon:
            keys.add(key)
        written = _written(key, value) if colon else [attribute] if len(attribute) > 1 else []
        own |= {word: Word("traits", traits=traits) for word in written if len(word) < _LONGEST}
    own |= _OBJECT_WORDS | _object_words(kinds)
    names = "|".join(re.escape(key) for key in sorted(keys, key=len, reverse=True))
    return Lexicon(own, re.compile(rf"(?P<key>{names})(?::(?=.)|[为是]?(?=[0-9a-z]))"), things)


def _object_words(kinds: Iterable[str]) -> dict[str, Word]:
    return {word: Word("object", kind) for kind in kinds for word in (kind, f"{kind}设备") if len(word) > 1}


_LONGEST = 40
_OBJECT_WORDS = _object_words(map(core, OBJECTS.split()))
_WORDS = (
    {word: Word("traits", traits=(trait,)) for word, trait in _STATE_WORDS.items() if trait.about != SLEEVE}
    | {
        word: Word("traits", traits=(trait,))
        for trait in _VALUE_WORDS.values()
        for word in _written(trait.about, trait.value)
    }
    | {
        word: Word("traits", traits=(Trait(IRRELEVANT_WORD, "+"),))
        for word in (IRRELEVANT_WORD, "无关照片", "无关图像")
    }
)
