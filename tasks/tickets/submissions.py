"""Which submission of its group a ticket is: numbers that were given once stay, whatever arrives later.

`stage_b/<mission>/submissions.jsonl` has a line a group: the answer keys of its submissions, in the order of first
sight. Of those that are first seen together, the smaller answer key comes first: no label decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from io import BytesIO

from blocks.errors import ObjectMissing
from blocks.store import Store
from tasks.records.base import Record, Sha256
from tasks.records.jsonl import read_lines, to_line
from tasks.runs.keys import stage_b_folder


class Submitted(Record):
    """One line: a group, and the answer keys of its submissions."""

    group_id: str
    submissions: tuple[Sha256, ...]


class Submissions:
    """What was seen of a mission's groups so far; `save` keeps what was added."""

    def __init__(self, store: Store, mission: str) -> None:
        """Raises RecordError or StoreError."""
        self._store, self._key = store, f"{stage_b_folder(mission)}/submissions.jsonl"
        try:
            self._before: bytes | None = store.read(self._key)
        except ObjectMissing:
            self._before = None
        lines = read_lines(Submitted, BytesIO(self._before or b""), store.uri_of(self._key))
        self._seen = {line.group_id: list(line.submissions) for _, line in lines}

    def number(self, group_id: str, answer_keys: Sequence[str]) -> list[int]:
        """The number, from 1, of each submission of a group that one run holds: different numbers for equal photos."""
        seen = self._seen.setdefault(group_id, [])
        for key, times in sorted(Counter(answer_keys).items()):
            seen += [key] * (times - seen.count(key))
        places: dict[str, list[int]] = {}
        for place, key in enumerate(seen, start=1):
            places.setdefault(key, []).append(place)
        taken: Counter[str] = Counter()
        found = []
        for key in answer_keys:
            found.append(places[key][taken[key]])
            taken[key] += 1
        return found

    def save(self) -> None:
        """Keep what was numbered. Raises ObjectExists if another process did so meanwhile, and StoreError."""
        data = b"".join(
            to_line(Submitted(group_id=group, submissions=tuple(keys))) for group, keys in sorted(self._seen.items())
        )
        if data != (self._before or b""):
            self._store.swap(self._key, data, self._before)
            self._before = data
