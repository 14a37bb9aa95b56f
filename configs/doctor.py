"""What a look at this machine and its engine is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from configs.errors import Fault
from configs.parts import GenerationConfig
from configs.photo import ReadConfig
from configs.preflight import check_mission
from configs.preflight_model import check_budget, check_model


class DoctorConfig(ReadConfig):
    """What is there to run photos with; and, if asked for, whether the engine says what the reference says."""

    compare: int = Field(
        0, ge=0, le=10_000, description="Photos that the engine and the reference both read, to compare their texts."
    )
    photos: str | None = Field(
        None,
        description="Directory of those photos, such as a mission's. By default drawn test pictures.",
    )
    mission: str = Field("", description="Mission whose focus the prompt names; without one, none.")
    generation: GenerationConfig = Field(default_factory=GenerationConfig, description="How text is decoded.")

    @property
    def has_model(self) -> bool:
        """Whether a checkpoint or a server was named: versions and devices can be looked at without."""
        return bool(self.model.base or self.model.merged or self.engine.kind == "endpoint")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with what is to be looked at."""
        if self.mission and "mission" not in skip:
            yield from check_mission(self.mission)
        if self.photos is not None and not Path(self.photos).is_dir():
            yield Fault("photos", f"there is no folder {self.photos}", "give a folder of photos")
        if self.has_model or self.compare:
            yield from check_model(self.model, self.merge, self.engine, self.device, skip)
        if not self.compare:
            return
        yield from check_budget(self.model, "summary", self.generation.max_new_tokens, "generation.max_new_tokens")
        if self.engine.kind == "reference":
            yield Fault("engine.kind", "reference is what others are compared with", "give another kind")
        if self.engine.kind == "endpoint" and not (self.model.base or self.model.merged or "model" in skip):
            yield Fault("model.base", "is not given", "give what the server runs, for the reference: --checkpoint")
