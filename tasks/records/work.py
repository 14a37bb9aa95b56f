"""Work: what is asked about, what identifies the answer, and shards of work items."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from tasks.records.jsonl import canonical
from tasks.records.photos import Photo


@dataclass(frozen=True)
class Identity:
    """Everything beside the photo or text that decides an answer: prompt, checkpoint, adapters, settings."""

    prompt: str
    checkpoint: str
    adapters: tuple[str, ...]
    settings: dict[str, object]

    def work_key(self, sha256: str) -> str:
        """sha256 (64 hex digits) over `sha256`, that of the photo or text, and everything else that decides the
        answer."""
        return hashlib.sha256(f"{self.digest}\0{sha256}".encode()).hexdigest()

    @cached_property
    def digest(self) -> str:
        """sha256 over all parts, in canonical JSON with sorted keys."""
        value = [self.prompt, self.checkpoint, list(self.adapters), dict(sorted(self.settings.items()))]
        return hashlib.sha256(canonical(value).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Text:
    """What a question without a photo is about. `key` names it in messages; `user` is its own part of the user text,
    after what all questions of its kind share.

    Of several samples of one text each has a `sampled_as`, on which its noise depends; `decoding` says which of the
    kind's decodings it is asked with first.
    """

    key: str
    user: str
    sampled_as: str = ""
    decoding: int = 0

    @property
    def sha256(self) -> str:
        """sha256 (64 hex digits) of the text in UTF-8."""
        return hashlib.sha256(self.user.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One question: its work key, and what it is about. A photo is one item, whatever groups it is in.

    `asked` is how many answers earlier runs had for it, of which today's rules accept none; usually there are none.
    """

    work_key: str
    about: Photo | Text
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Shard:
    """Work items that are asked together and kept as one object, named by the work in it.

    `epoch` counts the runs that redid everything; of two outcomes for one item the one of the later epoch counts.
    `revision` is that of the rules because of which an item of it is asked on, 0 if none is; within an epoch the
    outcome of the later revision counts.
    """

    key: str
    items: tuple[WorkItem, ...]
    epoch: int = 0
    revision: int = 0
