"""The marks of a clause, from left to right: words that a summary may hold, numbers, absences, needs, ends of parts.

Knows nothing of what the marks mean together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tasks.verdicts.vocabulary import Lexicon, Trait

_SIGNAL = re.compile(
    r"(?P<end>[,;。]|但是?|而且|并且|并(?![排列])|且|而|同时|所以|因此|故(?!障)|其中|另外|此外|虽然|因为|由于"
    r"|中有?(?=[0-9一二两三四五六七八九])|里有?(?=[0-9一二两三四五六七八九]))"
    r"|(?P<need>是否|不?需要?(?!求)|无需|无须|不必|不用|应当|应该|不?应(?=[安装有设配加])|必须|如果?有|若有?|要(?=安装|装|配|加))"
    r"|(?P<absent>没有?|无(?![法需须关论]|线(?![槽缆]))|未(?![来知])|不存在|不含|不包含|缺少|缺失|缺乏|欠缺|缺|看不到|不见|找不到|漏装|遗漏)"
    r"|(?P<number>(?P<times>[×x*])?(?P<digits>[0-9]{1,9}|[一二两三四五六七八九十多]{1,3})(?P<unit>[台个块颗根条张处套只枚片件组对束面支把]|(?<=[0-9])))"
    r"|(?P<code>[a-z]*[0-9]{3,}[a-z0-9-]*)"
)
_NO_COUNT = re.compile(r"(?:第|同|另|每|任|某|这|那|各|整|上|下)$")
_COUNTED = re.compile(r"(?:数量|共|共有|共计|合计|总计|总共)(?:为|是|有|:)?$")
_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九十")} | {"两": 2, "多": 2}


@dataclass(slots=True)
class Mark:
    """One mark, and where it stands. `kind` and `traits` are of a word, `count` of a number; `times` is ×N."""

    means: Literal["object", "traits", "end", "need", "absent", "number"]
    start: int
    end: int
    kind: str = ""
    traits: tuple[Trait, ...] = ()
    count: int = 1
    times: bool = False


def parts_of(text: str, lexicon: Lexicon) -> Iterator[tuple[list[Mark], int]]:
    """The marks of a folded text, one part between commas after the other, and where the part ends."""
    part: list[Mark] = []
    for mark in _marks(text, lexicon):
        if mark.means == "end":
            yield part, mark.start
            part = []
        else:
            part.append(mark)
    yield part, len(text)


def _marks(text: str, lexicon: Lexicon) -> Iterator[Mark]:
    """Words and signals from left to right; at one place the longest, and a word before a signal."""
    place = 0
    while place < len(text):
        word, key, signal = lexicon.word_at(text, place), lexicon.keys.match(text, place), _SIGNAL.match(text, place)
        if word and (not signal or word[1] >= signal.end()):
            meant, end = word
            yield Mark(meant.means, place, end, meant.kind, meant.traits)
            place = end
        elif key and not lexicon.word_at(text, key.end()):
            yield Mark("traits", place, key.end(), traits=(Trait(key["key"], text[key.end() :]),))
            place = key.end()
        elif signal and signal.end() > place:
            mark = _signal(text, signal)
            if mark is not None:
                yield mark
            place = signal.end()
        else:
            place += 1


def _signal(text: str, match: re.Match[str]) -> Mark | None:
    start, end = match.span()
    if match["number"]:
        if match["digits"].isascii() and not match["unit"] and not match["times"]:
            if len(match["digits"]) >= 3:
                return Mark("traits", start, end, traits=(Trait("型号", match["digits"]),))
            if not _COUNTED.search(text, 0, start):
                return None
        if _NO_COUNT.search(text, 0, start):
            return None
        return Mark("number", start, end, count=_value(match["digits"]), times=bool(match["times"]))
    if match["code"]:
        return Mark("traits", start, end, traits=(Trait("型号", match["code"]),))
    for means in ("end", "need", "absent"):
        if match[means]:
            return Mark(means, start, end)
    return None


def _value(digits: str) -> int:
    if digits.isascii():
        return int(digits)
    tens, ten, ones = digits.partition("十")
    if ten:
        return _DIGITS.get(tens, 1) * 10 + _DIGITS.get(ones, 0)
    return _DIGITS.get(digits, 1)
