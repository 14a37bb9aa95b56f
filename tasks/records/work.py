"""Work: what identifies the text of a photo, and shards of photos. Knows no engine, no prompt and no store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from tasks.records.jsonl import canonical
from tasks.records.photos import Photo


@dataclass(frozen=True)
class Identity:
    """Everything beside the photo that decides its text: prompt, checkpoint, adapters, settings."""

    prompt: str
    checkpoint: str
    adapters: tuple[str, ...]
    settings: dict[str, object]

    def work_key(self, photo_sha256: str) -> str:
        """sha256 (64 hex digits) over the photo's bytes and everything else that decides its text."""
        return hashlib.sha256(f"{self.digest}\0{photo_sha256}".encode()).hexdigest()

    @cached_property
    def digest(self) -> str:
        """sha256 over all parts, in canonical JSON with sorted keys."""
        value = [self.prompt, self.checkpoint, list(self.adapters), dict(sorted(self.settings.items()))]
        return hashlib.sha256(canonical(value).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One photo to summarise, whatever groups it is in: its work key and one place where its bytes are.

    `asked` is how many answers earlier runs had for it, of which today's grammar accepts none; usually there are none.
    """

    work_key: str
    photo: Photo
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Shard:
    """Photos that are summarised together and kept as one object, named by the work in it.

    `epoch` counts the runs that redid everything; of two outcomes for one photo the one of the later epoch counts.
    `revision` is that of the rules because of which a photo of it is asked on, 0 if none is; within an epoch the
    outcome of the later revision counts.
    """

    key: str
    items: tuple[WorkItem, ...]
    epoch: int = 0
    revision: int = 0
