"""Everything a Stage-A run is told. Knows no step: each step receives the part that it needs."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field
from pydantic_settings import CliToggleFlag

from configs.parts import (
    EngineConfig,
    GenerationConfig,
    HandOffConfig,
    InputConfig,
    LadderConfig,
    MergeConfig,
    ModelConfig,
    Part,
    PublishingConfig,
    SpreadConfig,
)
from configs.photo import CheckpointBlock, Device, ShardPhotos, Slot
from configs.stores import S3Options

ShardSeconds = Annotated[float, Field(ge=1.0, le=86_400.0)]


class StageAConfig(Part):
    """A Stage-A run. What people type is flat, the rest is in parts."""

    mission: str = Field("", description="Mission: its Chinese name, which is also the folder under the input root.")
    input_root: str = Field("", description="Where the missions' photos are: a directory, or s3://bucket/prefix.")
    store: str = Field("", description="Where results go: a directory, or s3://bucket/prefix.")
    checkpoint_block: CheckpointBlock = None
    device: Device = Field("auto", description="auto, cpu, cuda or cuda:N; auto takes a free GPU.")
    devices: tuple[Device, ...] = Field(
        (), description="Several devices instead of one, each with an engine of its own, such as cuda:0 and cuda:1."
    )
    slots: tuple[Slot, ...] = Field(
        (),
        description="Prefect concurrency limits, such as gpu-0: the run waits for a slot of each before it loads the "
        "model, and holds it until the last shard is written.",
    )
    verify_inputs: bool = Field(
        True, description="Check markers and every photo's header, size and bytes before any inference."
    )
    no_mission: CliToggleFlag[bool] = Field(
        False, description="Leave the mission's focus out of the prompt: a generic smoke run of any folder."
    )
    shard_photos: ShardPhotos = Field(2048, description="Most photos in one shard.")
    shard_seconds: ShardSeconds = Field(
        60.0,
        description="How long a shard should take, once it is known how fast photos go: what a killed run redoes.",
    )
    force: CliToggleFlag[bool] = Field(
        False,
        description="Infer every photo anew, whatever earlier runs know; their shards stay. After a kill it goes on.",
    )
    requeue: str | None = Field(
        None,
        description="URI of the newest run's quarantine.jsonl: look at its groups alone, and carry the others over.",
    )
    answer_key: str | None = Field(
        None, description="JSON file with the right summaries; the run then reports its exact-match rate."
    )
    model: ModelConfig = Field(default_factory=ModelConfig, description="Which checkpoint is run, and how.")
    merge: MergeConfig = Field(default_factory=MergeConfig, description="Merging adapters into their base.")
    generation: GenerationConfig = Field(default_factory=GenerationConfig, description="How text is decoded.")
    ladder: LadderConfig = Field(default_factory=LadderConfig, description="Retries of a bad summary.")
    engine: EngineConfig = Field(default_factory=EngineConfig, description="Which engine, its batches and preparation.")
    inputs: InputConfig = Field(default_factory=InputConfig, description="What verification accepts.")
    publishing: PublishingConfig = Field(
        default_factory=PublishingConfig, description="Bad photos, and other runs of the mission."
    )
    spread: SpreadConfig = Field(default_factory=SpreadConfig, description="Other machines that take part.")
    s3: S3Options = Field(default_factory=S3Options, description="How s3:// is reached.")
    hand_off: HandOffConfig = Field(default_factory=HandOffConfig, description="How Stage-B learns of the run.")

    @property
    def fleet(self) -> tuple[str, ...]:
        """The devices that have an engine in this run."""
        return self.devices or (self.device,)


_QUARANTINE_URI = re.compile(
    r"(?:(?P<root>.*)/)?(?P<key>stage_a/(?P<mission>[^/]+)/runs/[^/]+/quarantine\.jsonl)", re.DOTALL
)


def split_quarantine_uri(uri: str) -> tuple[str, str, str]:
    """Store, mission and key of a run's quarantine. Raises ValueError for any other URI."""
    match = _QUARANTINE_URI.fullmatch(uri)
    if match is None:
        raise ValueError("give <store>/stage_a/<mission>/runs/<run>/quarantine.jsonl, as a run leaves it")
    return match["root"] or ("/" if uri.startswith("/") else "."), match["mission"], match["key"]
