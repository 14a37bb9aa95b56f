"""What people said of groups before they saw the judge's verdict: the labels that bound and estimate may use.

An answer counts if it was blind, or for the verdict that stood before the reveal. Of one person the last such answer
counts, and none after it is withdrawn. Where two people differ a third decides; until then there is no label.

What was answered in another queue than the one that is asked for is refused, and counted. Opens labels: nothing that
judges may import this.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from blocks.store import Store
from tasks.records.jsonl import parse
from tasks.records.reviews import Queue, ReviewEvent
from tasks.records.verdicts import Verdict
from tasks.runs.keys import reviews_folder

_ANSWERS = {"answered", "corrected", "withdrawn"}


@dataclass(frozen=True, slots=True)
class Label:
    """What a group is in truth, and when the answer that settled it was given."""

    verdict: Verdict
    at: str


@dataclass(frozen=True)
class Labels:
    """The labels of groups, by answer key; those about which people differ; and how many have answers in other queues
    alone, which are refused."""

    settled: dict[str, Label] = field(default_factory=dict)
    disputed: frozenset[str] = frozenset()
    refused: int = 0


def read_blind(store: Store, mission: str, queue: Queue, wanted: Collection[str]) -> Labels:
    """The labels of the groups with these answer keys, from this queue. Raises RecordError or StoreError."""
    keys = set(wanted)
    folder = f"{reviews_folder(mission)}/"
    found: dict[str, list[str]] = defaultdict(list)
    for info in store.list(folder) if keys else ():
        answer_key = info.key.removeprefix(folder).partition("/")[0]
        if answer_key in keys and info.key.endswith(".json"):
            found[answer_key].append(info.key)
    return fold(
        queue,
        {
            answer_key: [parse(ReviewEvent, store.read(key), store.uri_of(key)) for key in sorted(names)]
            for answer_key, names in found.items()
        },
    )


def fold(queue: Queue, events: dict[str, list[ReviewEvent]]) -> Labels:
    """The labels that these events give, each group's in order, by answer key."""
    settled, disputed, refused = {}, set(), 0
    for answer_key, told in events.items():
        answers = [one for one in told if one.event in _ANSWERS]
        own = [one for one in answers if one.queue is queue]
        refused += bool(answers) and not own
        said = _said(own)
        if not said:
            continue
        label = _majority(said.values())
        if label is None:
            disputed.add(answer_key)
        else:
            settled[answer_key] = Label(label, max(one.at for one in own if _blindly(one) is not None))
    return Labels(settled, frozenset(disputed), refused)


def _said(events: Iterable[ReviewEvent]) -> dict[str, Verdict]:
    """What each person said blindly, the last time."""
    said: dict[str, Verdict] = {}
    for one in events:
        verdict = _blindly(one)
        if one.event == "withdrawn":
            said.pop(one.reviewer, None)
        elif verdict is not None:
            said[one.reviewer] = verdict
    return said


def _blindly(event: ReviewEvent) -> Verdict | None:
    if event.event == "withdrawn":
        return None
    return event.before_reveal or (event.verdict if event.blind else None)


def _majority(verdicts: Iterable[Verdict]) -> Verdict | None:
    counts = Counter(verdicts)
    (first, times), *others = counts.most_common()
    return None if others and others[0][1] == times else first
