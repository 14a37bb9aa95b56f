"""Everything a Stage-A run is told. Knows no step: each step receives the part that it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic_settings import CliToggleFlag

from configs.errors import Fault
from configs.judge import JudgeConfig
from configs.missions import MissionNames
from configs.parts import GenerationConfig, HandOffConfig, LadderConfig, Part, PublishingConfig
from configs.preflight import check_any_mission, check_file, check_input_root, check_mission
from configs.preflight_model import check_budget
from configs.stores import LocalLocation, parse_store_uri
from configs.work import PhotosConfig


class MissionConfig(Part):
    """Which mission a run is of."""

    mission: Annotated[str, MissionNames] = Field(
        "", description="Mission: its Chinese name, which is also the folder under the input root."
    )


class StageAConfig(PhotosConfig, MissionConfig):
    """A Stage-A run."""

    verify_inputs: bool = Field(
        True, description="Check markers and every photo's header, size and bytes before any inference."
    )
    no_mission: CliToggleFlag[bool] = Field(
        False, description="Leave the mission's focus out of the prompt: a generic smoke run of any folder."
    )
    requeue: str | None = Field(
        None,
        description="URI of the newest run's quarantine.jsonl: look at its groups alone, and carry the others over.",
    )
    answer_key: str | None = Field(
        None, description="JSON file with the right summaries; the run then reports its exact-match rate."
    )
    generation: GenerationConfig = Field(default_factory=GenerationConfig, description="How text is decoded.")
    ladder: LadderConfig = Field(default_factory=LadderConfig, description="Retries of a bad summary.")
    publishing: PublishingConfig = Field(
        default_factory=PublishingConfig, description="Bad photos, and other runs of the mission."
    )
    hand_off: HandOffConfig = Field(default_factory=HandOffConfig, description="How Stage-B learns of the run.")
    judge: JudgeConfig = Field(default_factory=JudgeConfig, description="How Stage-B judges what is handed over.")

    @classmethod
    def implied(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Store and mission of a requeued run are those of its quarantine, unless they are given."""
        try:
            store, mission, _ = split_quarantine_uri(str(given["requeue"]))
        except (KeyError, ValueError):  # not asked for, or a fault that is told with the others
            return given
        return {"store": store, "mission": mission, **given}

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with a Stage-A run."""
        if self.requeue is not None:
            told = list(self._requeue_faults(self.requeue))
            yield from told
            # Store and mission are the quarantine's: without one, it is not they that are missing.
            skip |= {name for name in ("mission", "store") if told and not getattr(self, name)}
        if "mission" not in skip:
            yield from check_any_mission(self.mission) if self.no_mission else check_mission(self.mission)
        if "input_root" not in skip:
            yield from check_input_root(self.input_root, self.mission)
        yield from super().faults(skip)
        yield from check_budget(self.model, "summary", self.generation.max_new_tokens, "generation.max_new_tokens")
        if self.hand_off.judge and "judge" not in skip:
            yield from self.judge.faults()
        yield from check_file("answer_key", self.answer_key, "give a JSON file, or leave it out")

    def _requeue_faults(self, uri: str) -> Iterator[Fault]:
        try:
            _, mission, _ = split_quarantine_uri(uri)
            location = parse_store_uri(uri)
        except ValueError as error:
            yield Fault("requeue", f"{uri} is no quarantine of a run: {error}")
            return
        if isinstance(location, LocalLocation) and not Path(location.path).expanduser().is_file():
            yield Fault("requeue", f"there is no file {uri}", "give the quarantine.jsonl beside a run's manifest.json")
        if self.mission and mission != self.mission:
            yield Fault("requeue", f"{uri} is of mission {mission!r}, not {self.mission!r}", "leave mission out")
        if self.force:
            yield Fault("force", "redoes every photo, and requeue only what was quarantined", "leave one of them out")


_QUARANTINE_URI = re.compile(
    r"(?:(?P<root>.*)/)?(?P<key>stage_a/(?P<mission>[^/]+)/runs/[^/]+/quarantine\.jsonl)", re.DOTALL
)


def split_quarantine_uri(uri: str) -> tuple[str, str, str]:
    """Store, mission and key of a run's quarantine. Raises ValueError for any other URI."""
    match = _QUARANTINE_URI.fullmatch(uri)
    if match is None:
        raise ValueError("give <store>/stage_a/<mission>/runs/<run>/quarantine.jsonl, as a run leaves it")
    return match["root"] or ("/" if uri.startswith("/") else "."), match["mission"], match["key"]
