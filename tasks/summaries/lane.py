"""The shards of one device, and how far it has read ahead in them. Knows no Prefect."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasks.common.queues import PeekableQueue, SharedQueue
from tasks.engines.protocol import Engine
from tasks.records.outcomes import Outcome
from tasks.records.work import Shard, WorkItem
from tasks.summaries.infer import Asking, Reading


class DeviceLane(PeekableQueue[tuple[int, Shard]]):
    """The shards of one device and their numbers, drawn as late as they can be."""

    def __init__(self, device: str, given: SharedQueue[tuple[int, Shard]]) -> None:
        super().__init__(given)
        self.device = device
        self._reading: Reading | None = None

    def reading(self, engine: Engine, asking: Asking, read_photo: Callable[[str], bytes]) -> Reading:
        """What reads this lane's shards: the same as long as the engine is."""
        if self._reading is None or self._reading.engine is not engine:
            self.close()
            self._reading = Reading(engine, asking, read_photo, self._following)
        return self._reading

    @property
    def interrupted(self) -> list[tuple[WorkItem, Outcome]]:
        """Photos that had their outcome when an error ended their shard."""
        return [] if self._reading is None else list(self._reading.interrupted.values())

    def close(self) -> None:
        """Forget what was read ahead, and stop the engine's threads."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _following(self, place: int) -> Sequence[WorkItem] | None:
        numbered = self.peek(place)
        return None if numbered is None else numbered[1].items
