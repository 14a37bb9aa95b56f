"""What the commands about checkpoints are told. Knows no step."""

from __future__ import annotations

from pydantic import Field

from configs.parts import MergeConfig, ModelConfig, Part
from configs.photo import Device


class MergeCheckpointConfig(Part):
    """Adapters to merge into their base."""

    device: Device = Field("auto", description="Where the parity check runs: auto, cpu, cuda or cuda:N.")
    model: ModelConfig = Field(default_factory=ModelConfig, description="The base and the adapters.")
    merge: MergeConfig = Field(default_factory=MergeConfig, description="Where the merged checkpoint goes, and checks.")


class InspectConfig(Part):
    """A checkpoint or adapter to look at."""

    checkpoint: str = Field("", description="Directory of a base, merged or adapter checkpoint.")
    base: str | None = Field(None, description="Directory of the base that its tokenizer and template must equal.")
