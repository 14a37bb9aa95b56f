"""Clauses that are right for drawn photos, and clauses made wrong in one way each. Knows not how they are checked.

What is true is read off the drawn things, never off a summary: so a clause is right or wrong whatever the code says.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from infra.demo.scenes import BAFFLE, BBU, DESCRIPTIONS, ERICSSON, LABEL, WIRE, Scene, Split, sample, seed_of
from infra.demo.wording import adapter_summary, summary

UNIT = {BBU: "台", BAFFLE: "块", "光纤": "根", WIRE: "根", "接地排": "条", LABEL: "张"}
INVENTED = ("尾纤", "RRU设备", "光纤插头", "尾纤套管", "紧固件", "天线", "蓄电池", "电源线", "空调", "线槽")
KINDS = tuple(dict.fromkeys(description.split("/")[0] for description in DESCRIPTIONS))
NUMBERS = "零一两三四五六七八九十"


def traits_of(description: str) -> tuple[str, ...]:
    """What a description says, one by one."""
    return tuple(trait for level in description.split("/")[1:] for trait in level.split(","))


def _plain(traits: tuple[str, ...]) -> set[str]:
    """安装规范 and 符合要求 are the same."""
    return {trait.replace("安装不规范", "不符合要求").replace("安装规范", "符合要求") for trait in traits}


STATES = {kind: tuple(sorted({traits_of(d) for d in DESCRIPTIONS if d.split("/")[0] == kind})) for kind in KINDS}


@dataclass(frozen=True)
class Ticket:
    """Drawn photos, and their summaries in one dialect or the other."""

    scenes: tuple[Scene, ...]
    summaries: dict[str, str]

    def count(self, photo: int, kind: str, traits: tuple[str, ...] = ()) -> int:
        """How many such things a photo (from 1) shows."""
        things = [thing for thing in self.scenes[photo - 1].things if thing.kind == kind]
        return sum(_plain(traits) <= _plain(traits_of(thing.description)) for thing in things)

    @property
    def photos(self) -> range:
        """The photos' numbers."""
        return range(1, len(self.scenes) + 1)


@dataclass(frozen=True)
class Said:
    """A clause before it is worded: `least` things of a kind of which all `traits` are said; `form` is its wording."""

    kind: str
    traits: tuple[str, ...]
    least: int
    form: str
    cites: tuple[int, ...]
    tail: str = ""

    def holds(self, ticket: Ticket, photo: int) -> bool:
        """Whether a photo bears it out."""
        count = ticket.count(photo, self.kind, self.traits)
        return count == self.least if self.form == "only" else count >= self.least


def draw_ticket(rng: random.Random, at: int) -> Ticket:
    """One to six photos from the seeds of tests."""
    scenes = tuple(sample(seed_of(Split.TESTS, at + place)) for place in range(rng.randint(1, 6)))
    words = rng.choice((summary, adapter_summary))
    return Ticket(scenes, {f"image_{number}": words(scene) for number, scene in enumerate(scenes, 1)})


def draw_said(rng: random.Random, ticket: Ticket) -> Said | None:
    """Something true of a ticket's photos; None if the photo drawn shows nothing."""
    photo = rng.choice(ticket.photos)
    things = ticket.scenes[photo - 1].things
    if not things or rng.random() < 0.12:
        return _absent(rng, ticket)
    if rng.random() < 0.15 and ticket.count(photo, BBU) == 1:
        return _cited(rng, ticket, Said(BBU, (), 1, "only", (photo,), "，不需要挡风板"))
    thing = rng.choice(things)
    traits = traits_of(thing.description)
    if len(traits) == 2 and rng.random() < 0.3:
        traits = traits[1:]
    form = rng.choice(("state", "state", "count")) if traits else rng.choice(("count", "exists"))
    least = ticket.count(photo, thing.kind, traits) if form == "count" else 1
    tail = "不需要挡风板" if thing.kind == BBU and ERICSSON in traits and form == "state" else ""
    return _cited(rng, ticket, Said(thing.kind, traits, least, form, (photo,), tail))


def _cited(rng: random.Random, ticket: Ticket, said: Said) -> Said:
    """The same, citing all photos that bear it out, or some."""
    bearing = [photo for photo in ticket.photos if said.holds(ticket, photo)]
    chosen = bearing if rng.random() < 0.5 else rng.sample(bearing, rng.randint(1, len(bearing)))
    return replace(said, cites=tuple(sorted(chosen)))


def _absent(rng: random.Random, ticket: Ticket) -> Said | None:
    options = [*DESCRIPTIONS, *KINDS, *INVENTED]
    gone = [d for d in options if not any(ticket.count(n, d.split("/")[0], traits_of(d)) for n in ticket.photos)]
    description = rng.choice(gone)
    return Said(description.split("/")[0], traits_of(description), 0, "absent", ())


def worded(rng: random.Random, said: Said) -> str:
    """The clause in words, in one of many ways."""
    keyed = [_keyed(rng, trait) for trait in said.traits if ":" in trait]
    state = "".join(trait for trait in said.traits if ":" not in trait)
    short = rng.choice((said.kind, said.kind.removesuffix("设备")))
    name = "".join(keyed) + short
    unit = UNIT.get(said.kind, "个")
    few = said.least <= 10 and rng.random() < 0.6
    number = NUMBERS[said.least].replace("两", rng.choice("两两二")) if few else str(said.least)
    if said.form == "absent":
        what = f"{state}的{name}" if state else name
        return rng.choice(("没有{}", "未见{}", "无{}", "缺少{}", "没有看到任何{}", "照片中未发现{}")).format(what)
    if said.form == "only":
        name = f"{state}的{name}" if state else name
        return rng.choice(("只有{}{}{}", "仅有{}{}{}", "只看到{}{}{}")).format(number, unit, name) + said.tail
    if said.form == "count" and state:
        forms = ("{n}{u}{k}{s}", "有{n}{u}{s}的{k}", "{k}有{n}{u}{s}", "{k}{s}的有{n}{u}", "{k}/{s}×{m}")
    elif said.form == "count":
        forms = ("{n}{u}{k}", "有{n}{u}{k}", "{k}有{n}{u}", "可见{k}共{n}{u}", "{k}×{m}", "{k}数量为{m}")
    elif not state:
        forms = ("有{k}", "{k}", "可以看到{k}", "照片显示有{k}", "存在{k}")
    else:
        forms = (
            "{k}{s}",
            "{k}{s}",
            "{k}存在{s}的情况",
            "照片显示{k}{s}",
            "{k}，{s}",
            "存在{s}的{k}",
            "可见{k}为{s}状态",
            "image_{c}中{k}{s}",
            "有{k}，但是{s}",
            "{k}（{s}）",
        )
    text = rng.choice(forms).format(
        n=number, m=said.least, u=unit, k=name, s=state, c=said.cites[0] if said.cites else 9
    )
    return text + (rng.choice(("", "，")) + said.tail if said.tail else "")


def _keyed(rng: random.Random, trait: str) -> str:
    key, value = trait.split(":")
    return rng.choice((value, f"{value}的", f"{key}:{value}的", f"{key}为{value}的"))


Mutation = Callable[[random.Random, Ticket, Said], Said | None]


def wrong_photo(rng: random.Random, ticket: Ticket, said: Said) -> Said | None:
    """Cites a photo that does not bear it out, or that is not there, instead of one of its own or beside them."""
    if said.form == "absent":
        return None
    wrong = [photo for photo in ticket.photos if not said.holds(ticket, photo)] or [len(ticket.photos) + 1]
    cites = list(said.cites)
    if rng.random() < 0.5:
        cites.pop(rng.randrange(len(cites)))
    return replace(said, cites=tuple(sorted({*cites, rng.choice(wrong)})))


def wrong_attribute(rng: random.Random, ticket: Ticket, said: Said) -> Said | None:
    """Says something else of the object: the opposite, another side, brand or colour, or what is said of others."""
    other = [traits for traits in STATES.get(said.kind, ()) if traits] or [("散乱",)]
    if rng.random() < 0.2:
        other = [(trait,) for trait in ("捆扎整齐", "有保护", "无法识别", "颜色:红色", "品牌:诺基亚", "型号:5900")]
    made = replace(said, traits=rng.choice(other), tail="", form="state" if said.form == "exists" else said.form)
    if said.form == "absent":
        shown = [d for d in DESCRIPTIONS if any(ticket.count(n, d.split("/")[0], traits_of(d)) for n in ticket.photos)]
        if not shown:
            return None
        description = rng.choice(shown)
        return replace(made, kind=description.split("/")[0], traits=traits_of(description))
    return made if any(not made.holds(ticket, photo) for photo in made.cites) else None


def count_and_one(rng: random.Random, ticket: Ticket, said: Said) -> Said | None:
    """One more than a cited photo shows."""
    if said.form == "absent":
        return None
    most = min(ticket.count(photo, said.kind, said.traits) for photo in said.cites)
    return replace(said, least=most + 1, form="only" if said.form == "only" else "count", tail="")


def invented_object(rng: random.Random, ticket: Ticket, said: Said) -> Said | None:
    """Speaks of an object that a cited photo does not show."""
    if said.form == "absent":
        return None
    kind = rng.choice((*INVENTED, *KINDS))
    made = replace(said, kind=kind, tail="")
    return made if any(not made.holds(ticket, photo) for photo in made.cites) else None


def dropped_citation(rng: random.Random, ticket: Ticket, said: Said) -> Said | None:
    """Names no photo."""
    return replace(said, cites=(), tail=said.tail or "")


MUTATIONS: tuple[Mutation, ...] = (wrong_photo, wrong_attribute, count_and_one, invented_object, dropped_citation)
