"""What a ticket is judged by: its photos' summaries, in an order that nobody's file names decide, as text for a prompt.

A ticket's own part of the prompt, photos numbered anew from 1, equal summaries on one line:

    <<<5f1c09aa
    image_1,image_3: "BBU设备/品牌:华为×2，挡风板/安装规范×1"
    image_2: "无关图片"
    5f1c09aa>>>

A summary is data that a model wrote about a stranger's photo. It stands between fences with a nonce that follows from
the evidence, as a JSON string, and cannot write a fence, a special token or the first word of a verdict.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tasks.records.grammar import IRRELEVANT
from tasks.records.jsonl import canonical
from tasks.records.stage_b import Ticket

_ORDERS = 3
_SIGNS = str.maketrans({"<": "＜", ">": "＞"})
_VERDICT = re.compile(r"(Verdict|Reason|Confidence)(\s*):", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Seen:
    """One photo of a ticket: its key in the record (`image_3`), its summary, and what tells it from other photos."""

    key: str
    summary: str
    sha256: str
    work_key: str


@dataclass(frozen=True)
class Evidence:
    """The photos of a ticket in the order in which the prompt numbers them: by sha256, whatever they are called."""

    mission: str
    photos: tuple[Seen, ...]
    complete: bool

    @cached_property
    def digest(self) -> str:
        """sha256 (64 hex digits): tickets with the same one are judged once. Names, ids and labels are not in it."""
        told = [[one.summary, one.work_key] for one in self.photos]
        return hashlib.sha256(canonical([self.mission, told, self.complete]).encode()).hexdigest()

    @property
    def nonce(self) -> str:
        """8 hex digits for the fences: the same request is the same bytes, and no summary knows them beforehand."""
        return hashlib.sha256(f"fence\0{self.digest}".encode()).hexdigest()[:8]

    def orders(self) -> list[tuple[int, ...]]:
        """Places of the photos in up to three different orders: the prompt's own first, two more to see whether the
        judge minds. They follow from the photos alone."""
        own = tuple(range(len(self.photos)))
        mixed = sorted(own, key=lambda place: hashlib.sha256(f"{self.digest}\0{place}".encode()).digest())
        found = dict.fromkeys((own, own[::-1], tuple(mixed), (*own[1:], *own[:1])))
        return list(found)[:_ORDERS]

    def text(self, places: Sequence[int] | None = None) -> str:
        """A ticket's own part of the prompt: these photos (all of them in their order, if not given), numbered from
        1."""
        chosen = [self.photos[place] for place in (range(len(self.photos)) if places is None else places)]
        by_summary: dict[str, list[str]] = {}
        for number, photo in enumerate(chosen, start=1):
            by_summary.setdefault(photo.summary, []).append(f"image_{number}")
        lines = [f"{','.join(names)}: {quoted(summary)}" for summary, names in by_summary.items()]
        return "\n".join([f"<<<{self.nonce}", *lines, f"{self.nonce}>>>"])


def evidence_of(ticket: Ticket) -> Evidence:
    """What a ticket is judged by."""
    seen = [
        Seen(key, summary, photo.sha256, photo.work_key)
        for (key, summary), photo in zip(ticket.summaries.items(), ticket.photos, strict=True)
    ]
    ordered = sorted(seen, key=lambda one: (one.sha256, one.work_key, one.summary))
    return Evidence(ticket.mission, tuple(ordered), ticket.stage_a_complete)


def quoted(summary: str) -> str:
    """A summary as a JSON string in which nothing is a sign of the prompt."""
    return json.dumps(_VERDICT.sub(r"\1\2：", summary.translate(_SIGNS)), ensure_ascii=False)


def all_irrelevant(ticket: Ticket) -> bool:
    """Whether no photo shows anything to judge."""
    return all(summary == IRRELEVANT for summary in ticket.summaries.values())
