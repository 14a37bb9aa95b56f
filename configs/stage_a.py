"""Everything a Stage-A run is told. Knows no step: each step receives the part that it needs."""

from __future__ import annotations

import re

from pydantic import Field
from pydantic_settings import CliToggleFlag

from configs.parts import GenerationConfig, HandOffConfig, LadderConfig, Part, PublishingConfig
from configs.work import WorkConfig


class MissionConfig(Part):
    """Which mission a run is of."""

    mission: str = Field("", description="Mission: its Chinese name, which is also the folder under the input root.")


class StageAConfig(WorkConfig, MissionConfig):
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


_QUARANTINE_URI = re.compile(
    r"(?:(?P<root>.*)/)?(?P<key>stage_a/(?P<mission>[^/]+)/runs/[^/]+/quarantine\.jsonl)", re.DOTALL
)


def split_quarantine_uri(uri: str) -> tuple[str, str, str]:
    """Store, mission and key of a run's quarantine. Raises ValueError for any other URI."""
    match = _QUARANTINE_URI.fullmatch(uri)
    if match is None:
        raise ValueError("give <store>/stage_a/<mission>/runs/<run>/quarantine.jsonl, as a run leaves it")
    return match["root"] or ("/" if uri.startswith("/") else "."), match["mission"], match["key"]
