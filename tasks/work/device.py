"""The shards of one device, and how far it has read ahead in them."""

from __future__ import annotations

from collections.abc import Callable

from tasks.common.queues import PeekableQueue, SharedQueue
from tasks.engines.protocol import Engine
from tasks.records.outcomes import Outcome
from tasks.records.work import Shard, WorkItem
from tasks.work.kind import Kind
from tasks.work.reader import ShardReader


class DeviceShards(PeekableQueue[tuple[int, Shard]]):
    """The shards of one device and their numbers, drawn as late as they can be, with what reads them."""

    def __init__(self, device: str, shared: SharedQueue[tuple[int, Shard]]) -> None:
        super().__init__(shared)
        self.device = device
        self._reader: ShardReader | None = None

    def reader(self, engine: Engine, kind: Kind, read_photo: Callable[[str], bytes]) -> ShardReader:
        """What reads this device's shards: the same as long as the engine is."""
        if self._reader is None or self._reader.engine is not engine:
            self.close()
            self._reader = ShardReader(engine, kind, read_photo, self._following)
        return self._reader

    @property
    def interrupted(self) -> list[tuple[WorkItem, Outcome]]:
        """Items that had their outcome when an error ended their shard."""
        return [] if self._reader is None else list(self._reader.interrupted.values())

    def close(self) -> None:
        """Forget what was read ahead, and stop the engine's threads."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _following(self, place: int) -> Shard | None:
        numbered = self.peek(place)
        return None if numbered is None else numbered[1]
