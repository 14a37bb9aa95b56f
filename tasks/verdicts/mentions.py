"""The objects that a part of a clause speaks of, and which of its words are said of which.

Before an object stand its count, its place, brand and colour; what follows is said of the object before it. A part that
names no object goes on about the one before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tasks.verdicts.marks import Mark
from tasks.verdicts.vocabulary import CONFORMS, IRRELEVANT_WORD, Trait

_AT_MOST = re.compile(r"(?:不足|少于|不到|不超过|不多于|小于|最多|至多|未达到?)$")
_EXACTLY = re.compile(r"(?:只有|仅有|仅|只|唯一|仅见|只见)(?:看到|拍到|有|见|显示)?$")
_DENIED = re.compile(r"(?:不|非|难以)(?:是|能|都|全|太|够|被|完全|全部|按)*$")
_SEEN = re.compile(
    r"(?:看到|看见|见到?|发现|找到|检测到|出现|拍到|拍摄到|提供|安装|加装|装|配备?|设置?|任何|明显|必要|必备|应有|所需|对应|相应|其[他它]|有|到|能|被|按|完全|全部|的|存在)*"
)
_LEFT = re.compile(r"(?:安装|加装|装|配备?|设置?|看到|见|拍到|提供|有)?(?:了|的|情况|现象|问题)*")
_JOINT = re.compile(r"和|与|及|以及|、|或者?|/|跟|还有")
_CHAIN = re.compile(r"(?:的|和|与|及|以及|、|或者?|/|:)*")
_ALL = re.compile(r"(?:都|均|全部|全都|皆)$")
_EVERY = re.compile(r"(?:所有|全部|每[台个颗块根处])的?$")


@dataclass(slots=True)
class Mention:
    """One object as a part of a clause speaks of it. `silent` claims nothing, `joined` goes with the one before (`和`).

    `counted` has a number, `unneeded` is said not to be needed.
    """

    kind: str | None
    traits: list[Trait] = field(default_factory=list)
    count: int = 1
    exactly: bool = False
    every: bool = False
    absent: bool = False
    silent: bool = False
    joined: bool = False
    counted: bool = False
    unneeded: bool = False
    own: bool = True
    """Whether its part names it; else it is carried on from the part before."""

    @property
    def bare(self) -> bool:
        """Whether it says only that the object is there."""
        return not (self.traits or self.absent or self.counted)


def is_state(trait: Trait) -> bool:
    """Whether a trait is one side of a pair, and no place, brand or colour."""
    return trait.value in {"+", "-"}


class Part:
    """One part of a clause: its marks become mentions of objects."""

    def __init__(self, text: str, marks: list[Mark], before: list[Mention]) -> None:
        self.text, self.marks, self.mentions = text, marks, list[Mention]()
        self.before = next((one for one in reversed(before) if not one.absent), None)
        self.traits: list[Trait] = []
        self.number: tuple[int, bool] | None = None
        self.absent = self.need = self.unneeded = self.every = False

    def read(self) -> list[Mention]:
        """The mentions of the part."""
        for place, mark in enumerate(self.marks):
            {"object": self._object, "traits": self._traits, "number": self._number}.get(mark.means, self._flag)(place)
        if self.traits or self.number or (self.absent and self.before):
            self._go_on()
        return self.mentions

    def _go_on(self) -> None:
        """Speak of the object before, in its place, brand and colour unless others are named."""
        if self.before is not None:
            named = {trait.about for trait in self.traits}
            self.traits += [trait for trait in self.before.traits if not is_state(trait) and trait.about not in named]
        judged = all(trait.about == CONFORMS for trait in self.traits) and not (self.absent or self.number)
        made = self._new(self.before.kind if self.before else None, own=False)
        made.silent |= judged and self.before is not None and self.before.unneeded  # 不需要挡风板，符合要求
        self.mentions.append(made)

    def _gap(self, place: int) -> str:
        """The text between a mark and the one before it, or the part's beginning."""
        start = self.marks[place - 1].end if place else max(self.marks[0].start - 6, 0)
        return self.text[start : self.marks[place].start]

    def _new(self, kind: str | None, own: bool = True) -> Mention:
        count, exactly = self.number or (1, False)
        made = Mention(kind, self.traits, count, exactly, self.every, self.absent, self.need, own=own)
        made.silent |= count < 1 or (made.absent and count > 1)
        made.counted, made.unneeded = self.number is not None, self.unneeded
        self.traits, self.number, self.absent, self.every = [], None, False, False
        return made

    def _object(self, place: int) -> None:
        mark = self.marks[place]
        joined = bool(place and self.marks[place - 1].means == "object" and _JOINT.fullmatch(self._gap(place)))
        if joined:
            self.absent |= self.mentions[-1].absent
        self.every |= bool(_EVERY.search(self._gap(place)))
        self.mentions.append(self._new(mark.kind))
        self.mentions[-1].joined = joined

    def _traits(self, place: int) -> None:
        mark, gap = self.marks[place], self._gap(place)
        traits = list(mark.traits)
        if any(trait.about == IRRELEVANT_WORD for trait in traits):
            self.mentions.append(Mention(None, traits, silent=self.need))
            return
        denied = bool(_DENIED.search(gap))
        if place and self.marks[place - 1].means == "absent" and _SEEN.fullmatch(gap) and not self.absent:
            denied = True
        if denied:
            traits = [trait.opposite for trait in traits]
        follows = self._follows(place)
        keyed = not any(map(is_state, traits))
        if follows is not None and (keyed or not self.mentions or follows.startswith("的")):
            self.traits += traits
        elif self.mentions:
            self._say(traits, bool(_ALL.search(gap)))
        else:
            self.traits += traits
            self.every |= bool(_ALL.search(gap))

    def _say(self, traits: list[Trait], every: bool) -> None:
        """Say something of the object before; with 都, of all those that it is joined with."""
        for mention in reversed(self.mentions):
            mention.traits += traits
            mention.every |= every
            if not (every and mention.joined):
                break

    def _follows(self, place: int) -> str | None:
        """What stands between traits and the object that they stand before; None if they stand before none."""
        for after in range(place + 1, len(self.marks)):
            gap = self._gap(after)
            if not _CHAIN.fullmatch(gap):
                return None
            if self.marks[after].means == "object":
                return gap
            if self.marks[after].means not in {"traits", "number"}:
                return None
        return None

    def _number(self, place: int) -> None:
        mark, before = self.marks[place], self.text[: self.marks[place].start]
        number = (0 if _AT_MOST.search(before) else mark.count, bool(_EXACTLY.search(before)))
        ahead = [later.means for later in self.marks[place + 1 :]]
        leads = "object" in ahead and set(ahead[: ahead.index("object")]) <= {"traits"}
        if self.mentions and (mark.times or not leads):
            mention = self.mentions[-1]
            mention.count, mention.exactly = number
            mention.counted = True
            mention.silent |= number[0] < 1
        elif not mark.times or not self.mentions:
            self.number = number

    def _flag(self, place: int) -> None:
        """`需要` silences what follows; an absence is that of the object that follows, else of the one before."""
        ahead = self.marks[place + 1 :]
        if self.marks[place].means == "need":
            if not any(mark.means == "object" for mark in ahead) and self.mentions:
                last = self.mentions[-1]
                last.silent |= last.bare
            self.need, self.unneeded = True, self.text[self.marks[place].start] in "不无"
            return
        self.need = self.unneeded = False
        if place and self.marks[place - 1].means == "absent" and _SEEN.fullmatch(self._gap(place)):
            return  # 没有缺少
        first = next((mark for mark in ahead if mark.means in {"object", "absent", "need"}), None)
        leads = first is not None and first.means == "object" and bool(_SEEN.fullmatch(self._gap(place + 1)))
        if leads and ahead[0].means == "traits":
            leads = self._follows(place + 1) is not None
        if leads:
            self.absent = True
        elif not ahead and _LEFT.fullmatch(self.text, self.marks[place].end):
            if self.mentions:
                self.mentions[-1].absent = True
            else:
                self.absent = True
