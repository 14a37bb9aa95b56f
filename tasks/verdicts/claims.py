"""What a clause of a reason claims: an object, what is said of it, how many, or that it is not there.

A clause is read from left to right, one part between commas after the other:

    机柜侧 接地螺丝 不符合要求         kind 接地螺丝, traits {位置:机柜侧, 规范 -}
    两台 BBU 之间 缺少 挡风板          kind BBU, count 2; kind 挡风板, absent
    只有 一台 BBU设备，不需要 挡风板    kind BBU, count 1, exactly; what is needed or not claims nothing
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.verdicts.marks import parts_of
from tasks.verdicts.mentions import Mention, Part, is_state
from tasks.verdicts.vocabulary import CONFORMS, Lexicon, Trait, fold

_ANY_PHOTO = re.compile(r"(?:照片|图片)?(image_[0-9]+)")
_NOISE = re.compile(
    r"(?:第?[0-9一二两三四五六七八九十几多]+张(?:照片|图片|图)|[“”\"'「」『』]|备注:?"
    r"|(?:未发现|没有发现|没有|没|无|未见|不存在)(?:任何|明显|其他|其它)*"
    r"(?:问题|异常|缺陷|隐患|不符合项|不合格项|违规)的?)"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a clause says. `kind` None is any object; `exactly` goes with a count, `every` with traits."""

    kind: str | None
    traits: frozenset[Trait] = frozenset()
    count: int = 1
    exactly: bool = False
    every: bool = False
    absent: bool = False

    @property
    def weight(self) -> int:
        """How much it says: that something is so or is not there, more than how many, more than that it is there."""
        return 2 if self.traits or self.absent else int(self.count > 1 or self.exactly)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a clause claims, and the photos that its text names."""

    claims: tuple[Claim, ...]
    photos: tuple[str, ...]


def claims_in(text: str, lexicon: Lexicon) -> Claims:
    """What a clause, or a remark, claims. Never raises: what says nothing that a summary could bear out is no claim."""
    folded = fold(text)
    photos = tuple(dict.fromkeys(_ANY_PHOTO.findall(folded)))
    told = _NOISE.sub("", _ANY_PHOTO.sub("", folded))
    mentions: list[Mention] = []
    for marks, end in parts_of(told, lexicon):
        mentions += Part(told[:end], marks, mentions).read()
    claims = [claim for mention in mentions for claim in _claims(mention, mentions, lexicon)]
    told_more = [claim for claim in claims if not any(_includes(other, claim) for other in claims)]
    return Claims(tuple(dict.fromkeys(told_more)), photos)


def _includes(more: Claim, less: Claim) -> bool:
    """Whether a claim says of the same things all that another one does, and more."""
    if more.kind != less.kind or more.absent or less.absent or less.exactly:
        return False
    return more.traits > less.traits and more.count >= less.count


def _claims(mention: Mention, mentions: Sequence[Mention], lexicon: Lexicon) -> Iterator[Claim]:
    """What a mention claims. Two places of one thing (`机柜侧和接地排侧`) are two claims.

    `不符合要求` of what no summary calls so is no more than the conclusion drawn from the rest.
    """
    if mention.silent:
        return
    traits = set(mention.traits)
    judged = {trait for trait in traits if trait.about == CONFORMS}
    # A part without an object draws a conclusion from the part before, if that says more than what is there.
    draws = not mention.own and not all(one.bare for one in mentions if one is not mention)
    if judged and not lexicon.tells(mention.kind, CONFORMS) and (draws or any(map(is_state, traits - judged))):
        traits -= judged
    if mention.kind is None and traits == judged and any(not one.silent for one in mentions if one is not mention):
        return
    if not mention.own and not any(map(is_state, traits)) and judged:
        return
    by_about: dict[str, list[Trait]] = {}
    for trait in sorted(traits, key=lambda one: (one.about, one.value, one.denied)):
        by_about.setdefault(trait.about, []).append(trait)
    for chosen in itertools.product(*by_about.values()):
        yield Claim(mention.kind, frozenset(chosen), mention.count, mention.exactly, mention.every, mention.absent)
